//! Tables for people: columns as wide as their widest cell, cut to the terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::escape;

/// Rows under a head. Every cell is escaped, so a row is always one line.
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: usize = 2;
/// A column is never cut below this.
const NARROWEST: usize = 12;

impl Table {
    pub(crate) fn new<const N: usize>(head: [&'static str; N]) -> Self {
        Self {
            head: head.into(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row, one cell per column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.head.len(), "a cell per column");
        let escaped = cells.map(|cell| escape::line(&cell).into_owned());
        self.rows.push(escaped.into());
    }

    /// The table; with a `width` its last column is cut so that rows stay on one line.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let head = self.head.iter().map(|name| (*name).to_owned()).collect();
        let rows: Vec<&Vec<String>> = std::iter::once(&head).chain(&self.rows).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].width()).max();
        let mut widths: Vec<usize> = (0..head.len()).map(|c| widest(c).unwrap_or(0)).collect();
        if let (Some(width), Some((last, before))) = (width, widths.split_last_mut()) {
            let taken: usize = before.iter().map(|width| width + GAP).sum();
            *last = (*last).min(width.saturating_sub(taken).max(NARROWEST));
        }
        let lines: Vec<String> = rows.iter().map(|row| line(row, &widths)).collect();
        lines.join("\n")
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let cell = cut(cell, *width);
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', width - cell.width() + GAP));
    }
    line.truncate(line.trim_end().len());
    line
}

/// At most that many columns of a terminal, with a mark where something was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(["QUEUE", "READY"]);
        table.row(["mail".into(), "3".into()]);
        table.row(["a long name".into(), "12000".into()]);
        let expected = "\
QUEUE        READY
mail         3
a long name  12000";
        assert_eq!(table.render(None), expected);
    }

    #[test]
    fn wide_characters_take_their_room() {
        let mut table = Table::new(["TASK", "N"]);
        table.row(["名前".into(), "1".into()]);
        table.row(["abc".into(), "2".into()]);
        assert_eq!(table.render(None), "TASK  N\n名前  1\nabc   2");
    }

    #[test]
    fn a_cell_cannot_forge_a_row_and_the_last_is_cut_to_the_terminal() {
        let mut table = Table::new(["ID", "ERROR"]);
        table.row(["1".into(), "x\ny\x1b[2J".into()]);
        assert_eq!(table.render(None), "ID  ERROR\n1   x\\ny\\u{1b}[2J");
        let mut table = Table::new(["ID", "ERROR"]);
        table.row(["1".into(), "0123456789abcdefghij".into()]);
        assert_eq!(table.render(Some(16)), "ID  ERROR\n1   0123456789a…");
        assert_eq!(table.render(Some(3)), "ID  ERROR\n1   0123456789a…");
    }

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(cut("名前名前", 5), "名前…");
        assert_eq!(cut("名前", 4), "名前");
        assert_eq!(cut("abc", 2), "a…");
    }
}
