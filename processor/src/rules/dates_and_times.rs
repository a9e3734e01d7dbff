//! When it was installed, started, crashed, received.

use jiff::Timestamp;
use serde_json::Value;
use socorro_core::raw_crash::format_timestamp;

use super::integer;
use crate::transform::Case;

pub(crate) fn apply(case: &mut Case<'_>) {
    let submitted = case.raw.submitted(&case.id);
    let received = format_timestamp(submitted);
    case.set("submitted_timestamp", received.as_str());
    case.set("date_processed", received);

    let submitted = submitted.as_second();
    let crashed = integer(case, "CrashTime").unwrap_or(submitted);
    if crashed == submitted {
        case.note("client_crash_date is unknown");
    }
    let started = integer(case, "StartupTime").unwrap_or(crashed);
    let installed = integer(case, "InstallTime").unwrap_or(started);
    case.set("crash_time", crashed);
    let date = Timestamp::from_second(crashed).ok().map(format_timestamp);
    case.set("client_crash_date", date);
    case.set("install_time", installed);
    case.set("startup_time", started);
    case.set("install_age", crashed.saturating_sub(installed));
    case.set("uptime", crashed.saturating_sub(started).max(0));
    let last_crash = integer(case, "SecondsSinceLastCrash");
    case.set("last_crash", last_crash.map_or(Value::Null, Value::from));
}
