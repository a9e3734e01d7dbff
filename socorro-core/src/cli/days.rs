//! Days on the command line: `YYMMDD` as in crash ids, and ranges of them.

use std::ops::RangeInclusive;

use jiff::civil::{Date, date};

/// Reads `YYMMDD`.
pub(super) fn parse_day(text: &str) -> Result<Date, String> {
    let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let day = digits.then(|| Date::strptime("%Y%m%d", format!("20{text}")).ok());
    day.flatten()
        .ok_or_else(|| "not a day: write it as YYMMDD, such as 261122".into())
}

/// A day, or the first and the last day with a `-` between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    first: Date,
    last: Date,
}

impl Days {
    /// All days that a crash id can have.
    pub(super) const ALL: Self = Self {
        first: date(2000, 1, 1),
        last: date(2099, 12, 31),
    };

    /// Reads `YYMMDD` or `YYMMDD-YYMMDD`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        if first > last {
            return Err("the first day is behind the last".into());
        }
        Ok(Self { first, last })
    }

    /// As the storages take it.
    pub(super) fn range(self) -> RangeInclusive<Date> {
        self.first..=self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_in_ids() {
        assert_eq!(parse_day("090928"), Ok(date(2009, 9, 28)));
        for wrong in ["20090928", "091332", "0909 8", "", "+90928"] {
            assert!(parse_day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_has_both_its_ends() {
        let days = Days::parse("090928-091002").unwrap().range();
        assert_eq!(days, date(2009, 9, 28)..=date(2009, 10, 2));
        let day = Days::parse("090928").unwrap().range();
        assert_eq!(day, date(2009, 9, 28)..=date(2009, 9, 28));
        assert!(Days::parse("091002-090928").is_err());
    }
}
