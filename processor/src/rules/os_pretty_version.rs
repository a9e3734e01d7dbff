//! The operating system by the name that people know it by.

use serde_json::Value;

use crate::transform::Case;

/// The first build of Windows 11, whose version is still 10.0.
const WINDOWS_11: u32 = 22000;

/// Version and name of each Windows.
const WINDOWS: [(&str, &str); 8] = [
    ("5.0", "Windows 2000"),
    ("5.1", "Windows XP"),
    ("5.2", "Windows Server 2003"),
    ("6.0", "Windows Vista"),
    ("6.1", "Windows 7"),
    ("6.2", "Windows 8"),
    ("6.3", "Windows 8.1"),
    ("10.0", "Windows 10"),
];

pub(crate) fn apply(case: &mut Case<'_>) {
    let text = |pointer| case.dump_entry(pointer).and_then(Value::as_str);
    let distribution = text("/lsb_release/description").filter(|name| !name.is_empty());
    let version = text("/system_info/os_ver").unwrap_or_default();
    let pretty = match (distribution, text("/system_info/os")) {
        (Some(distribution), _) => Some(distribution.to_owned()),
        (None, Some("Windows NT")) => Some(windows(version)),
        (None, Some("Mac OS X")) => Some(format!("macOS {}", first_parts(version, 2))),
        (None, Some(os)) => Some(format!("{os} {version}").trim().to_owned()),
        (None, None) => None,
    };
    case.set(
        "os_pretty_version",
        pretty.map(|name| super::cut(&name, 100)),
    );
}

fn windows(version: &str) -> String {
    let build = version.split(['.', ' ']).nth(2);
    let build: Option<u32> = build.and_then(|build| build.parse().ok());
    let known = first_parts(version, 2);
    match WINDOWS.iter().find(|(number, _)| *number == known) {
        Some(("10.0", _)) if build >= Some(WINDOWS_11) => "Windows 11".to_owned(),
        Some((_, name)) => (*name).to_owned(),
        None => format!("Windows {version}").trim().to_owned(),
    }
}

fn first_parts(version: &str, count: usize) -> String {
    let number = version.split(' ').next().unwrap_or_default();
    number.split('.').take(count).collect::<Vec<_>>().join(".")
}
