//! What a server tells of itself: its CPU time, its memory, what was sent to it, its longest script.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Connection, RedisResult, Value};

/// What clients send and scripts do not. What a script does inside the server counts among the commands there, too,
/// under the names of those; so the two plain reads of a store (of paused queues, and before a change) are not here.
const SENT: [&str; 10] = [
    "auth",
    "client",
    "eval",
    "evalsha",
    "hello",
    "ping",
    "script",
    "select",
    "subscribe",
    "unsubscribe",
];

/// The CPU time of the process.
pub(super) fn cpu(connection: &mut Connection) -> RedisResult<Option<Duration>> {
    let told = info(connection, "cpu")?;
    let seconds = |name: &str| -> Option<f64> { value(&told, name)?.parse().ok() };
    let both = seconds("used_cpu_user").zip(seconds("used_cpu_sys"));
    Ok(both.and_then(|(user, sys)| Duration::try_from_secs_f64(user + sys).ok()))
}

/// Bytes that it has taken for data and buffers.
pub(super) fn memory(connection: &mut Connection) -> RedisResult<Option<u64>> {
    let told = info(connection, "memory")?;
    Ok(value(&told, "used_memory").and_then(|bytes| bytes.parse().ok()))
}

/// Commands that clients have sent; a script is one.
pub(super) fn commands(connection: &mut Connection) -> RedisResult<u64> {
    Ok(count_sent(&info(connection, "commandstats")?))
}

/// Of lines such as `cmdstat_script|load:calls=3,usec=81,…`.
fn count_sent(told: &str) -> u64 {
    let calls = |line: &str| -> Option<u64> {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let name = name.split('|').next()?;
        let calls = figures.strip_prefix("calls=")?.split(',').next()?;
        SENT.contains(&name).then_some(calls)?.parse().ok()
    };
    told.lines().filter_map(calls).sum()
}

fn info(connection: &mut Connection, section: &str) -> RedisResult<String> {
    redis::cmd("INFO").arg(section).query(connection)
}

/// What stands behind a name in the answer to INFO.
fn value<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = told.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_end()))
}

/// From how many microseconds on a command is written into the slow log.
const THRESHOLD: &str = "slowlog-log-slower-than";
/// How many of them it remembers.
const LENGTH: &str = "slowlog-max-len";
/// A second has room for fewer scripts of a [`SHORTEST`].
const REMEMBERED: i64 = 1_024;
/// In microseconds.
const SHORTEST: i64 = 1_000;

/// The server's slow log while its longest script is looked for: it remembers those that are longer than any
/// before.
pub(super) struct SlowLog {
    /// The settings as they were.
    before: HashMap<String, String>,
    longest: i64,
}

impl SlowLog {
    /// Begins; what the log holds already is gone.
    pub(super) fn begin(connection: &mut Connection) -> RedisResult<Self> {
        let mut before = HashMap::new();
        for setting in [THRESHOLD, LENGTH] {
            let mut get = redis::cmd("CONFIG");
            let found: HashMap<String, String> = get.arg("GET").arg(setting).query(connection)?;
            before.extend(found);
        }
        set(connection, LENGTH, &REMEMBERED.to_string())?;
        set(connection, THRESHOLD, &SHORTEST.to_string())?;
        redis::cmd("SLOWLOG").arg("RESET").exec(connection)?;
        let longest = SHORTEST;
        Ok(Self { before, longest })
    }

    /// The longest script so far, or the shortest that would have been written down.
    pub(super) fn longest(&mut self, connection: &mut Connection) -> RedisResult<Duration> {
        let mut get = redis::cmd("SLOWLOG");
        let entries: Vec<Value> = get.arg("GET").arg(REMEMBERED).query(connection)?;
        if let Some(longest) = entries.iter().filter_map(script_micros).max() {
            self.longest = self.longest.max(longest);
            set(connection, THRESHOLD, &self.longest.to_string())?;
        }
        redis::cmd("SLOWLOG").arg("RESET").exec(connection)?;
        Ok(Duration::from_micros(self.longest.unsigned_abs()))
    }

    /// Sets the settings as they were.
    pub(super) fn end(&self, connection: &mut Connection) -> RedisResult<()> {
        for (setting, before) in &self.before {
            set(connection, setting, before)?;
        }
        Ok(())
    }
}

fn set(connection: &mut Connection, setting: &str, value: &str) -> RedisResult<()> {
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg(setting).arg(value).exec(connection)
}

/// How long the script of an entry took; `None` for other commands. An entry is its number, when it was, how
/// long, and the command with what it took.
fn script_micros(entry: &Value) -> Option<i64> {
    let Value::Array(entry) = entry else {
        return None;
    };
    let [_, _, Value::Int(micros), Value::Array(command), ..] = entry.as_slice() else {
        return None;
    };
    let Value::BulkString(name) = command.first()? else {
        return None;
    };
    let is_script = [&b"EVALSHA"[..], b"EVAL"]
        .iter()
        .any(|script| name.eq_ignore_ascii_case(script));
    is_script.then_some(*micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_do_inside_is_not_counted() {
        let told = "# Commandstats\r\ncmdstat_evalsha:calls=7,usec=90\r\ncmdstat_zadd:calls=70,usec=9\r\n\
                    cmdstat_script|load:calls=3,usec=81\r\ncmdstat_info:calls=9,usec=1\r\n";
        assert_eq!(count_sent(told), 10);
    }

    #[test]
    fn only_scripts_have_a_time() {
        let entry = |name: &str| {
            let name = Value::BulkString(name.as_bytes().to_vec());
            Value::Array(vec![
                Value::Int(1),
                Value::Int(2),
                Value::Int(5_000),
                Value::Array(vec![name]),
            ])
        };
        assert_eq!(script_micros(&entry("EVALSHA")), Some(5_000));
        assert_eq!(script_micros(&entry("info")), None);
        assert_eq!(script_micros(&Value::Nil), None);
    }
}
