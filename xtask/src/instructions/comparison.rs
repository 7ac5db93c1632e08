//! The counts of now beside those that are kept, and whether that is too many.

use std::fmt;

use anyhow::{Result, bail};

use super::kept::Kept;

/// How far a count may rise, in percent of the kept one.
const LIMIT: u64 = 5;
/// How far it may rise when another compiler made the program: that alone moves counts.
const LIMIT_OF_ANOTHER_COMPILER: u64 = 25;

/// Every count, then and now.
#[derive(Debug)]
pub(super) struct Comparison {
    lines: Vec<Line>,
    limit: u64,
    /// What is different about the compilers, if anything is.
    compilers: Option<String>,
}

#[derive(Debug)]
struct Line {
    /// Store, verb and batch size.
    name: (String, String, u32),
    kept: Option<u64>,
    now: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Good,
    /// So much below that a rise would go unseen.
    Low,
    High,
    /// Counted and not kept, or kept and not counted.
    Alone,
}

impl Comparison {
    pub(super) fn new(kept: &Kept, now: &Kept) -> Self {
        let mut lines = Vec::new();
        for (name, count) in flat(kept) {
            lines.push(Line {
                now: flat(now).find(|(other, _)| *other == name).map(|(_, n)| n),
                kept: Some(count),
                name,
            });
        }
        for (name, count) in flat(now) {
            if !lines.iter().any(|line| line.name == name) {
                lines.push(Line {
                    name,
                    kept: None,
                    now: Some(count),
                });
            }
        }
        let same = kept.tools.compile_as(&now.tools);
        let compilers = (!same).then(|| {
            let ([rustc, cc], [rustc_now, cc_now]) = (
                [&kept.tools.rustc, &kept.tools.cc],
                [&now.tools.rustc, &now.tools.cc],
            );
            format!("kept with {rustc}, {cc}; now {rustc_now}, {cc_now}")
        });
        Self {
            lines,
            limit: if same {
                LIMIT
            } else {
                LIMIT_OF_ANOTHER_COMPILER
            },
            compilers,
        }
    }

    /// # Errors
    ///
    /// When a count is above its limit, or stands alone; with the way out.
    pub(super) fn judge(&self) -> Result<()> {
        let judged = |what: Judgement| {
            let named = self
                .lines
                .iter()
                .filter(move |line| line.judge(self.limit) == what);
            named.map(Line::shown_name).collect::<Vec<_>>().join(", ")
        };
        let (high, alone, limit) = (
            judged(Judgement::High),
            judged(Judgement::Alone),
            self.limit,
        );
        if !high.is_empty() {
            bail!(
                "more than {limit} % above the kept number of instructions: {high}; find out why, or \
                 keep the new number by `cargo xtask instructions --bless` and say why in the commit"
            );
        }
        if !alone.is_empty() {
            bail!(
                "counted and not kept, or kept and not counted: {alone}; \
                 `cargo xtask instructions --bless` keeps what there is now"
            );
        }
        Ok(())
    }

    /// One line for a step that passed.
    pub(super) fn summary(&self) -> String {
        let highest = self
            .lines
            .iter()
            .filter_map(Line::ratio)
            .fold(0.0, f64::max);
        let count = self.lines.len();
        let mut text = format!("{count} counts, the highest {highest:.3} of the kept");
        if self
            .lines
            .iter()
            .any(|line| line.judge(self.limit) == Judgement::Low)
        {
            text += "; some are far below: keep them by `cargo xtask instructions --bless`";
        }
        if let Some(compilers) = &self.compilers {
            let limit = self.limit;
            text += &format!("; ANOTHER COMPILER, so +{limit} % is allowed ({compilers})");
        }
        text
    }
}

fn flat(kept: &Kept) -> impl Iterator<Item = ((String, String, u32), u64)> {
    kept.counts.iter().flat_map(|(store, verbs)| {
        verbs.iter().flat_map(move |(verb, batches)| {
            batches
                .iter()
                .map(move |(batch, count)| ((store.clone(), verb.clone(), *batch), *count))
        })
    })
}

impl Line {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    fn ratio(&self) -> Option<f64> {
        Some(self.now? as f64 / self.kept? as f64)
    }

    fn judge(&self, limit: u64) -> Judgement {
        let (Some(kept), Some(now)) = (self.kept, self.now) else {
            return Judgement::Alone;
        };
        if now * 100 > kept * (100 + limit) {
            Judgement::High
        } else if now * 100 < kept * (100 - limit) {
            Judgement::Low
        } else {
            Judgement::Good
        }
    }

    fn shown_name(&self) -> String {
        let (store, verb, batch) = &self.name;
        format!("{store} {verb} by {batch}")
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |count: Option<u64>| count.map_or("–".to_owned(), |count| count.to_string());
        let header = ["store", "verb", "batch", "kept", "now", "ratio"];
        let [store, verb, batch, kept, now, ratio] = header;
        writeln!(
            f,
            "{store:<8} {verb:<13} {batch:>5} {kept:>9} {now:>9} {ratio:>6}"
        )?;
        for line in &self.lines {
            let (store, verb, batch) = &line.name;
            let (kept, now) = (number(line.kept), number(line.now));
            let ratio = line
                .ratio()
                .map_or("–".to_owned(), |ratio| format!("{ratio:.3}"));
            let remark = match line.judge(self.limit) {
                Judgement::Good => "",
                Judgement::Low => "  far below: keep it by --bless",
                Judgement::High => "  TOO MANY",
                Judgement::Alone => "  nothing to compare with",
            };
            let row =
                format!("{store:<8} {verb:<13} {batch:>5} {kept:>9} {now:>9} {ratio:>6}{remark}");
            writeln!(f, "{row}")?;
        }
        if let Some(compilers) = &self.compilers {
            let limit = self.limit;
            writeln!(f, "another compiler, so +{limit} % is allowed: {compilers}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tools::Tools;
    use super::*;

    fn counted(rustc: &str, claim: u64) -> Kept {
        let claims = [("claim".to_owned(), [(1, claim)].into())];
        Kept {
            tools: Tools {
                rustc: rustc.to_owned(),
                cc: "cc 12".to_owned(),
                valgrind: "valgrind-3.19.0".to_owned(),
            },
            counts: [("memory".to_owned(), claims.into())].into(),
        }
    }

    fn compared(rustc: &str, claim: u64) -> Comparison {
        Comparison::new(&counted("rustc 1", 10_000), &counted(rustc, claim))
    }

    #[test]
    fn six_percent_more_fail_and_five_do_not() {
        let check = |rustc: &str, now: u64, passes: bool| {
            let comparison = compared(rustc, now);
            assert_eq!(comparison.judge().is_ok(), passes, "{comparison}");
        };
        check("rustc 1", 10_000, true);
        check("rustc 1", 10_500, true);
        check("rustc 1", 10_501, false);
        check("rustc 1", 10_600, false);
        check("rustc 1", 100, true);
        check("rustc 2", 10_600, true);
        check("rustc 2", 12_500, true);
        check("rustc 2", 12_501, false);
    }

    #[test]
    fn what_is_too_much_is_named_with_the_way_out() {
        let error = compared("rustc 1", 10_600).judge().unwrap_err().to_string();
        assert!(
            error.contains("memory claim by 1") && error.contains("--bless"),
            "{error}"
        );
        let table = compared("rustc 1", 10_600).to_string();
        assert!(table.contains("1.060  TOO MANY"), "{table}");
    }

    #[test]
    fn far_fewer_are_to_be_kept_and_another_compiler_is_said_aloud() {
        assert!(compared("rustc 1", 9_400).summary().contains("--bless"));
        assert!(!compared("rustc 1", 9_600).summary().contains("--bless"));
        assert!(
            compared("rustc 2", 10_000)
                .summary()
                .contains("ANOTHER COMPILER")
        );
    }

    #[test]
    fn a_count_that_stands_alone_fails() {
        let mut more = counted("rustc 1", 10_000);
        let mut store = more.counts["memory"].clone();
        store.insert("submit".to_owned(), [(1, 5)].into());
        more.counts.insert("memory".to_owned(), store);
        let kept = counted("rustc 1", 10_000);
        for comparison in [Comparison::new(&kept, &more), Comparison::new(&more, &kept)] {
            let error = comparison.judge().unwrap_err().to_string();
            assert!(error.contains("memory submit by 1"), "{error}");
        }
    }
}
