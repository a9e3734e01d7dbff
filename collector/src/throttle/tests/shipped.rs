//! What the sets of rules in `deploy/` do.

use std::path::PathBuf;

use super::*;

fn shipped(name: &str) -> Throttler {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(name);
    throttler(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_rules_of_socorro_2x_do_what_they_did() {
    let rules = shipped("throttle-socorro-2x.toml");
    for (crash, chance, rule, decision) in [
        (
            json!({"HangID": "x", "Comments": "y"}),
            0.0,
            "browser_hang",
            Decision::Ignore,
        ),
        (
            json!({"HangID": "x", "ProcessType": "plugin"}),
            0.0,
            "everything_else",
            DEFER,
        ),
        (json!({"Comments": "y"}), 99.9, "comments", ACCEPT),
        (json!({"Comments": ""}), 0.0, "everything_else", DEFER),
        (
            json!({"ReleaseChannel": "beta"}),
            99.9,
            "test_channels",
            ACCEPT,
        ),
        (
            json!({"ReleaseChannel": "nightly-elm"}),
            99.9,
            "nightly",
            ACCEPT,
        ),
        (
            json!({"ProductName": "Firefox", "ReleaseChannel": "release"}),
            9.9,
            "firefox",
            ACCEPT,
        ),
        (
            json!({"ProductName": "Firefox", "Version": "3.6b1"}),
            10.0,
            "firefox",
            DEFER,
        ),
        (json!({"ProductName": "Fennec"}), 99.9, "fennec", ACCEPT),
        (
            json!({"ProductName": "Arena", "Version": "3.6b1"}),
            99.9,
            "alpha_or_beta",
            ACCEPT,
        ),
        (
            json!({"ProductName": "Arena", "Version": "b3.6"}),
            0.0,
            "everything_else",
            DEFER,
        ),
        (
            json!({"ProductName": "Thunderbird", "Version": "3"}),
            99.9,
            "t_s_c",
            ACCEPT,
        ),
        (json!({"ProductName": ""}), 0.0, "everything_else", DEFER),
    ] {
        assert_eq!(
            decide(&rules, &crash, chance),
            (rule.to_owned(), decision),
            "{crash}"
        );
    }
}

#[test]
fn mozillas_rules_do_what_mozillas_collector_does() {
    let rules = shipped("throttle-mozilla.toml");
    let env = |os: &str, build: Value| {
        json!({"system": {"os": {"name": os, "windowsBuildNumber": build}}}).to_string()
    };
    let esr = |env: String| json!({"ProductName": "Firefox", "ReleaseChannel": "esr", "TelemetryEnvironment": env});
    let esr_rule = "is_firefox_esr_unsupported_windows";
    let firefox = |name: &str, value: &str| json!({"ProductName": "Firefox", name: value});
    let discard = Decision::Discard;
    for (crash, chance, rule, decision) in [
        (
            firefox("BuildID", "20231101120000"),
            0.0,
            "has_old_buildid",
            discard,
        ),
        (
            firefox("BuildID", "20231301120000"),
            0.0,
            "accept_everything",
            ACCEPT,
        ),
        (
            firefox("BuildID", "20231101"),
            0.0,
            "accept_everything",
            ACCEPT,
        ),
        (
            firefox("BuildID", "20261101120000"),
            0.0,
            "accept_everything",
            ACCEPT,
        ),
        (
            firefox("HangID", ""),
            0.0,
            "has_hangid_and_browser",
            discard,
        ),
        (
            json!({"ProductName": "Firefox", "HangID": "x", "ProcessType": "plugin"}),
            0.0,
            "is_background",
            ACCEPT,
        ),
        (
            json!({"ProductName": "Firefox", "SubmittedFromInfobar": "true", "Version": "57.0", "BuildID": "20171225"}),
            0.0,
            "infobar_is_true",
            discard,
        ),
        (
            json!({"ProductName": "Firefox", "SubmittedFromInfobar": "true", "Version": "57.0", "BuildID": "20171226"}),
            0.0,
            "accept_everything",
            ACCEPT,
        ),
        (
            json!({"ProductName": "b2G"}),
            0.0,
            "b2g",
            Decision::FakeAccept,
        ),
        (json!({}), 0.0, "unsupported_product", discard),
        (
            json!({"ProductName": "firefox"}),
            0.0,
            "unsupported_product",
            discard,
        ),
        (
            json!({"ProductName": "Fenix"}),
            0.0,
            "unsupported_packagename",
            discard,
        ),
        (
            json!({"ProductName": "Focus", "Android_PackageName": "org.mozilla.fenix"}),
            0.0,
            "unsupported_packagename",
            discard,
        ),
        (
            json!({"ProductName": "Fenix", "Android_PackageName": "org.mozilla.fenix"}),
            0.0,
            "accept_everything",
            ACCEPT,
        ),
        (firefox("Throttleable", "0"), 0.0, "throttleable_0", ACCEPT),
        (firefox("Comments", ""), 0.0, "has_comments", ACCEPT),
        (firefox("PHCKind", "x"), 0.0, "has_phc", ACCEPT),
        (firefox("ProcessType", "gpu"), 0.0, "is_background", ACCEPT),
        (
            firefox("ipc_channel_error", "ShutDownKill"),
            10.0,
            "is_shutdownkill",
            discard,
        ),
        (
            firefox("ipc_channel_error", "ShutDownKill"),
            9.9,
            "accept_everything",
            ACCEPT,
        ),
        (esr(env("Windows_NT", 9600.into())), 25.0, esr_rule, discard),
        (
            esr(env("Windows_NT", 9600.into())),
            24.9,
            "is_alpha_beta_esr",
            ACCEPT,
        ),
        (
            esr(env("Windows_NT", 9601.into())),
            99.0,
            "is_alpha_beta_esr",
            ACCEPT,
        ),
        (
            esr(env("Linux", 1.into())),
            99.0,
            "is_alpha_beta_esr",
            ACCEPT,
        ),
        (esr("[1]".into()), 99.0, "is_alpha_beta_esr", ACCEPT),
        (
            firefox("ReleaseChannel", "aurora"),
            99.0,
            "is_alpha_beta_esr",
            ACCEPT,
        ),
        (
            firefox("ReleaseChannel", "nightly-x"),
            99.0,
            "is_nightly",
            ACCEPT,
        ),
        (
            firefox("ReleaseChannel", "release"),
            9.9,
            "is_firefox_desktop",
            ACCEPT,
        ),
        (
            firefox("ReleaseChannel", "release"),
            10.0,
            "is_firefox_desktop",
            discard,
        ),
        (
            json!({"ProductName": "Thunderbird", "ReleaseChannel": "release"}),
            99.0,
            "accept_everything",
            ACCEPT,
        ),
    ] {
        assert_eq!(
            decide(&rules, &crash, chance),
            (rule.to_owned(), decision),
            "{crash}"
        );
    }
}
