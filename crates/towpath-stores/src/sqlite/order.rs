//! Order: holds what was read to the order in which it was asked for.
//!
//! The engine believes that a table stands in the order of its key. In a damaged file it may not, and whoever
//! goes on after the last row that he read would go in circles, without end.

use std::cmp::Ordering;
use std::fmt::Debug;

use super::error::{Fallible, Fault};

/// Refuses rows of `table` unless each key stands on the `way` side of the one before it, the first of
/// that of `after`, where the rows before them ended.
pub(super) fn check<'a, K: Ord + Debug + 'a>(
    table: &str,
    way: Ordering,
    after: Option<&'a K>,
    keys: impl IntoIterator<Item = &'a K>,
) -> Fallible<()> {
    let mut last = after;
    for key in keys {
        if let Some(before) = last
            && key.cmp(before) != way
        {
            return Err(Fault::corrupt(format_args!(
                "the rows of table {table} are out of order: {key:?} comes after {before:?}"
            )));
        }
        last = Some(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_stands_strictly_beyond_the_one_before_it() {
        let check = |way, after: Option<i64>, keys: &[i64], sound: bool| {
            let answer = super::check("message", way, after.as_ref(), keys);
            assert_eq!(answer.is_ok(), sound, "{keys:?} {way:?} after {after:?}");
        };
        let (up, down) = (Ordering::Greater, Ordering::Less);
        check(up, None, &[], true);
        check(up, None, &[i64::MIN, 0, 7], true);
        check(up, Some(1), &[2, 3], true);
        check(up, Some(2), &[2, 3], false);
        check(up, Some(1), &[2, 2], false);
        check(up, Some(1), &[3, 2], false);
        check(down, Some(3), &[2, 1], true);
        check(down, Some(3), &[4, 1], false);
        check(down, None, &[1, 2], false);
    }
}
