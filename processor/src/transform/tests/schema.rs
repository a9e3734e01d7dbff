//! The schema of the processed crash is what rules make, no less and no more.

use std::collections::BTreeSet;

use super::*;

/// A crash of which everything is known, as far as one crash can be.
fn everything() -> ProcessedCrash {
    let raw: Value = serde_json::from_str(
        r#"{
        "ProductName": "Arena", "Version": "14.0.2", "BuildID": "1", "ProductID": "{1}",
        "ReleaseChannel": "esr", "Vendor": "v", "Distributor": "d", "Distributor_version": "1",
        "ApplicationBuildID": "1", "Android_PackageName": "p", "useragent_locale": "en",
        "Winsock_LSP": "w", "Notes": "n", "Comments": "c", "AbortMessage": "a",
        "AsyncShutdownTimeout": "{}", "ShutdownProgress": "p", "ShutdownReason": "r",
        "ipc_channel_error": "e", "IPCMessageName": "m", "OOMAllocationSize": "1",
        "JSLargeAllocationFailure": "Reporting", "GraphicsCriticalError": "g",
        "StartupCrash": "1", "SafeMode": "0", "Throttleable": "1", "DOMIPCEnabled": "1",
        "IsGarbageCollecting": "1", "Accessibility": "Active", "AccessibilityClient": "c",
        "EMCheckCompatibility": "true", "UptimeTS": "1.5", "AdapterDeviceID": "1",
        "AdapterDriverVersion": "1", "AdapterSubsysID": "1", "AdapterVendorID": "1",
        "Android_CPU_ABI": "arm", "Android_Manufacturer": "m", "Android_Model": "m",
        "Android_Version": "1", "AvailablePageFile": "1", "AvailablePhysicalMemory": "1",
        "AvailableVirtualMemory": "1", "SystemMemoryUsePercentage": "1", "TotalPageFile": "1",
        "TotalPhysicalMemory": "1", "TotalVirtualMemory": "1", "ProcessType": "plugin",
        "PluginFilename": "f", "PluginName": "n", "PluginVersion": "1", "PluginHang": "1",
        "CrashTime": "1795378507", "SecondsSinceLastCrash": "7", "Add-ons": "a%40b:1,c",
        "JavaStackTrace": "a.E: private\n\tat a.B.c(B.java:1)", "MozCrashReason": "MOZ_CRASH(x)"
    }"#,
    )
    .unwrap();
    let dump = json!({
        "status": "OK",
        "thread_count": 1,
        "lsb_release": {"id": "Arena OS", "description": "Arena OS 1"},
        "system_info": {"os": "Linux", "os_ver": "6", "cpu_arch": "amd64", "cpu_info": "f",
                        "cpu_count": 2, "cpu_microcode_version": "0x1"},
        "crash_info": {
            "type": "SIGSEGV", "address": "0x7fff", "crashing_thread": 0,
            "adjusted_address": {"kind": "non-canonical", "address": "0x8000000000000000"},
            "memory_accesses": [{"address": "0x1", "size": 8, "is_likely_guard_page": true}],
            "possible_bit_flips": [{"confidence": 0.25}, {"confidence": 0.625}],
            "crash_inconsistencies": ["odd"],
        },
        "threads": [{
            "thread_name": "main", "last_error_value": "ERROR_SUCCESS", "frame_count": 1000, "frames_left_out": 998,
            "frames": vec![json!({"module": "a.so", "function": "f()", "file": "a.cc", "line": 1}); 2],
        }],
        "modules": [
            {"filename": "a.so", "debug_file": "a.so", "debug_id": "A0", "missing_symbols": true},
            {"filename": "libflashplayer.so", "version": "11.2"},
        ],
    });
    let walks = ["upload_file_minidump", "upload_file_minidump_browser"]
        .map(|name| (DumpName::clean(name), walk_of(dump.clone())));
    let public = raw
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| *name != "JavaStackTrace");
    let knowledge = Knowledge {
        public: PublicAnnotations::parse(&public.cloned().collect::<Vec<_>>().join("\n")),
        ..Knowledge::default()
    };
    let raw = RawCrash::from_json(raw.to_string().as_bytes()).unwrap();
    transform(ID.parse().unwrap(), &raw, &walks.into(), &knowledge, vec![])
}

#[test]
fn every_key_of_the_schema_is_made_and_every_crash_fits_it() {
    let schema = Schema::parse(SCHEMA);
    let mut full = everything();
    // Made where the earlier processed crash is known.
    full.set(key::PROCESSOR_HISTORY, full.history());
    fits(&full);
    let made: BTreeSet<&str> = full
        .entries()
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, _)| name.as_str())
        .collect();
    let never: Vec<_> = schema
        .properties()
        .into_iter()
        .filter(|name| !made.contains(name))
        .collect();
    assert!(never.is_empty(), "no test makes {never:?}");
}

#[test]
fn what_is_known_of_a_crash_comes_out() {
    let full = everything();
    for (name, expected) in [
        ("addons", json!(["a@b:1", "c"])),
        ("addons_checked", json!(true)),
        ("hangid", json!(format!("fake-{ID}"))),
        ("hang_type", json!(-1)),
        ("report_type", json!("hang")),
        ("java_stack_trace", json!("a.E\n\tat a.B.c(B.java:1)")),
        ("flash_version", json!("11.2")),
        ("address", json!("0x8000000000000000")),
        ("possible_bit_flips_max_confidence", json!(62)),
        ("has_guard_page_access", json!(true)),
        ("major_version", json!(14)),
        ("os_pretty_version", json!("Arena OS 1")),
        ("topmost_filenames", json!("a.cc")),
        ("modules_in_stack", json!("a.so/A0")),
        ("missing_symbols", json!("a.so/A0")),
        (
            "additional_minidumps",
            json!(["upload_file_minidump_browser"]),
        ),
        ("plugin_filename", json!("f")),
        ("cpu_info", json!("f | 2")),
        ("truncated", json!(true)),
    ] {
        assert_eq!(full.get(name), Some(&expected), "{name}");
    }
    let browser = full.get("upload_file_minidump_browser").unwrap();
    assert_eq!(browser["signature"], "f");
    let notes = full.get_str("processor_notes").unwrap();
    assert!(notes.contains("add-on \"c\" is a bad name"), "{notes}");
}
