//! Public annotations that are kept as they are, each with a type.

use serde_json::Value;

use super::{cut, integer};
use crate::transform::Case;

/// What a value must be.
#[derive(Clone, Copy)]
enum Kind {
    /// Any text; longer ones are cut to so many characters.
    Text(usize),
    /// A whole number. Anything else becomes a note and nothing.
    Integer,
    /// True for `1` and `true`, else false.
    Flag,
}
use Kind::{Flag, Integer, Text};

/// Annotation, key in the processed crash, type.
const COPIED: &[(&str, &str, Kind)] = &[
    // The longest values are Socorro 2.x's.
    ("ProductName", "product", Text(30)),
    ("Version", "version", Text(16)),
    ("BuildID", "build", Text(16)),
    ("ProductID", "productid", Text(38)),
    ("ReleaseChannel", "release_channel", Text(32)),
    // Socorro 2.x's name of it.
    ("ReleaseChannel", "ReleaseChannel", Text(32)),
    ("Vendor", "vendor", Text(64)),
    ("Distributor", "distributor", Text(20)),
    ("Distributor_version", "distributor_version", Text(20)),
    ("ApplicationBuildID", "application_build_id", Text(32)),
    ("Android_PackageName", "android_packagename", Text(255)),
    ("useragent_locale", "useragent_locale", Text(32)),
    ("Winsock_LSP", "Winsock_LSP", Text(MAX_TEXT)),
    // Private in the shipped list: people write there what they like.
    ("Notes", "app_notes", Text(1000)),
    ("Comments", "user_comments", Text(500)),
    // Why.
    ("AbortMessage", "abort_message", Text(MAX_TEXT)),
    (
        "AsyncShutdownTimeout",
        "async_shutdown_timeout",
        Text(MAX_TEXT),
    ),
    ("ShutdownProgress", "shutdown_progress", Text(255)),
    ("ShutdownReason", "shutdown_reason", Text(255)),
    ("ipc_channel_error", "ipc_channel_error", Text(255)),
    ("IPCMessageName", "ipc_message_name", Text(255)),
    ("OOMAllocationSize", "oom_allocation_size", Integer),
    (
        "JSLargeAllocationFailure",
        "js_large_allocation_failure",
        Text(32),
    ),
    (
        "GraphicsCriticalError",
        "graphics_critical_error",
        Text(MAX_TEXT),
    ),
    ("StartupCrash", "startup_crash", Flag),
    ("SafeMode", "safe_mode", Flag),
    ("Throttleable", "throttleable", Flag),
    ("DOMIPCEnabled", "dom_ipc_enabled", Flag),
    ("IsGarbageCollecting", "is_garbage_collecting", Flag),
    ("Accessibility", "accessibility", Text(32)),
    ("AccessibilityClient", "accessibility_client", Text(255)),
    ("EMCheckCompatibility", "em_check_compatibility", Flag),
    ("UptimeTS", "uptime_ts", Text(32)),
    // On what.
    ("AdapterDeviceID", "adapter_device_id", Text(32)),
    ("AdapterDriverVersion", "adapter_driver_version", Text(64)),
    ("AdapterSubsysID", "adapter_subsys_id", Text(32)),
    ("AdapterVendorID", "adapter_vendor_id", Text(32)),
    ("Android_CPU_ABI", "android_cpu_abi", Text(32)),
    ("Android_Manufacturer", "android_manufacturer", Text(64)),
    ("Android_Model", "android_model", Text(64)),
    ("Android_Version", "android_version", Text(64)),
    ("AvailablePageFile", "available_page_file", Integer),
    (
        "AvailablePhysicalMemory",
        "available_physical_memory",
        Integer,
    ),
    (
        "AvailableVirtualMemory",
        "available_virtual_memory",
        Integer,
    ),
    (
        "SystemMemoryUsePercentage",
        "system_memory_use_percentage",
        Integer,
    ),
    ("TotalPageFile", "total_page_file", Integer),
    ("TotalPhysicalMemory", "total_physical_memory", Integer),
    ("TotalVirtualMemory", "total_virtual_memory", Integer),
];

/// The longest text, in characters, where nothing shorter is known.
const MAX_TEXT: usize = 4096;

pub(crate) fn apply(case: &mut Case<'_>) {
    for (annotation, name, kind) in COPIED {
        let Some(value) = case.annotation(annotation) else {
            continue;
        };
        let value = match kind {
            Text(limit) => cut(value, *limit).into(),
            Integer => match integer(case, annotation) {
                Some(number) => number.into(),
                None => continue,
            },
            Flag => Value::Bool(matches!(value, "1" | "true")),
        };
        case.set(name, value);
    }
    for annotation in ["ProductName", "Version", "BuildID"] {
        if case.annotation(annotation).is_none() {
            case.note(format!("WARNING: raw_crash missing {annotation}"));
        }
    }
    let major = case.annotation("Version").and_then(|version| {
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    case.set("major_version", major);
}
