//! The scripts, and a call of one.

use std::sync::LazyLock;

use redis::{Arg, Cmd, Script as Hashed};

/// A script that the server knows by its hash.
pub(super) struct Script {
    pub(super) name: &'static str,
    text: String,
    hashed: Hashed,
}

impl Script {
    fn new(name: &'static str, parts: &[&str]) -> Self {
        let text = parts.concat();
        Self {
            name,
            hashed: Hashed::new(&text),
            text,
        }
    }

    pub(super) fn hash(&self) -> &str {
        self.hashed.get_hash()
    }

    /// The command that has the server keep the script.
    #[cfg(feature = "yardstick")]
    pub(super) fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.text);
        command
    }
}

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("lua/", $name, ".lua"))
    };
}

/// Each script is its parts in a row: the head, what it shares with others, and what is its own.
///
/// A script makes its functions anew at every call, and that costs the server as much as a command each. So
/// those that a busy script seldom needs are made when it first does: `seldom().name` is one of them.
macro_rules! scripts {
    (@seldom [$($rare:literal)*] [$($function:ident)*]) => {
        &[
            "local made\nlocal function seldom()\nif made then return made end\n",
            $(part!($rare),)*
            "made = {",
            $(stringify!($function), " = ", stringify!($function), ", ",)*
            "}\nreturn made\nend\n",
        ]
    };
    (@maybe) => { &[] };
    (@maybe [$($rare:literal)*] [$($function:ident)*]) => {
        scripts!(@seldom [$($rare)*] [$($function)*])
    };
    ($($name:ident = $file:literal [$($shared:literal)*]
        $(seldom [$($rare:literal)*] as [$($function:ident)*] [$($last:literal)*])?;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            let shared: &[&str] = &[part!("head"), $(part!($shared)),*];
            let seldom: &[&str] = scripts!(@maybe $([$($rare)*] [$($function)*])?);
            let own: &[&str] = &[$($(part!($last),)*)? part!($file)];
            Script::new($file, &[shared, seldom, own].concat())
        });)*
        #[cfg(test)]
        static ALL: &[&LazyLock<Script>] = &[$(&$name),*];
    };
}

scripts! {
    NOW = "now" [];
    SUBMIT = "submit" ["bells" "rank"]
        seldom ["pack" "lines" "accept" "apart"] as [opened accept note_times apart] [];
    JOIN = "join" ["lease_time" "lease_clock"];
    LEAVE = "leave" ["bells" "rank" "pack" "lines" "melt" "message" "attempts" "take_back"];
    EXTEND = "extend" ["lease_time" "lease_clock" "pack" "melt"];
    RESCUE = "rescue" ["bells" "lease_time" "lease_clock" "rank" "pack" "lines" "melt" "message" "attempts" "take_back"];
    CLAIM = "claim" ["bells" "taken"]
        seldom ["rank" "pack" "lines" "melt" "message" "merge"] as [emptied drain open_head] ["take"];
    SETTLE_LINKED = "settle" ["bells" "lease_time" "locks" "linked" "taken" "settling" "delete"]
        seldom ["rank" "pack" "lines" "melt" "message" "attempts" "accept" "merge" "verdicts"]
        as [emptied drain open_head end_each apart_others] ["take"];
    SETTLE = "settle" ["bells" "unlinked" "taken" "settling" "delete"]
        seldom ["rank" "pack" "lines" "melt" "message" "attempts" "accept" "merge" "verdicts"]
        as [emptied drain open_head end_each apart_others] ["take"];
    STANDING = "standing" ["bells" "rank" "pack" "lines" "melt" "message"];
    NOTE = "note" ["bells" "pack" "melt"];
    REVOKE = "revoke" ["bells" "rank" "pack" "lines" "melt" "message" "attempts"];
    UPDATE = "update" ["bells" "rank" "pack" "lines" "melt" "message"];
    REQUEUE = "requeue" ["bells" "rank" "pack" "lines" "melt" "message" "attempts"];
    REPLAY = "replay" ["bells" "rank" "pack" "lines" "melt" "message" "accept"];
    REMOVE = "remove" ["bells" "rank" "pack" "lines" "melt" "message" "delete"];
    PROMOTE = "promote" ["bells" "rank" "pack" "lines" "melt" "message"];
    EXPIRE = "expire" ["bells" "rank" "pack" "lines" "melt" "message"];
    PRUNE = "prune" ["bells" "delete"];
    AUDIT = "audit" ["bells" "rank" "pack" "lines" "melt" "message"];
    BODY = "body" ["pack" "melt"];
    GET = "get" ["attempts" "pack" "melt"];
    BRIEF = "brief" ["bells" "rank" "pack" "lines" "melt" "message"];
    RESULTS = "results" ["pack" "melt"];
    LIST = "list" ["bells" "rank" "pack" "lines"];
    COUNTS = "counts" [];
    QUEUES = "queues" ["bells" "rank" "pack" "lines"];
    WORKERS = "workers" ["lease_time" "lease_clock"];
    PAUSE = "pause" ["bells"];
    VALUE_SET = "value_set" ["values"];
    VALUE_GET = "value_get" ["values"];
    VALUE_LOOK = "value_look" ["values"];
    VALUE_EXPIRE = "value_expire" ["values"];
    VALUE_DELETE = "value_delete" ["values"];
    VALUE_SCAN = "value_scan" ["values"];
    VALUE_COUNT = "value_count" ["values"];
    VALUE_CLEAR = "value_clear" ["values" "sets"];
    SET_ADD = "set_add" ["sets"];
    SET_SCORES = "set_scores" ["sets"];
    SET_DISCARD = "set_discard" ["sets"];
    SET_RANGE = "set_range" ["sets"];
    SET_POP = "set_pop" ["sets"];
    SET_LEN = "set_len" ["sets"];
    PUBLISH = "publish" [];
    LOCK = "lock" ["bells" "lease_time" "lease_clock" "locks"];
    RENEW = "renew" ["bells" "lease_time" "lease_clock" "locks"];
    UNLOCK = "unlock" ["bells" "lease_time" "lease_clock" "locks"];
    HOLDERS = "holders" ["bells" "lease_time" "lease_clock" "locks"];
    LOCK_LIST = "lock_list" ["bells" "lease_time" "lease_clock" "locks"];
}

/// One call of a script: its arguments so far, each copied once, into the command.
pub(super) struct Call {
    pub(super) script: &'static Script,
    pub(super) command: Cmd,
}

impl Call {
    /// A call of `script` on the namespace whose keys begin with `prefix`. `now` is the time in ms of a
    /// clock that was handed in, or nothing for the server's.
    pub(super) fn new(script: &'static Script, prefix: &str, now: Option<i64>) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.hash()).arg(1).arg(prefix);
        let mut call = Self { script, command };
        call.maybe(now);
        call
    }

    /// The same call with the script's text, which the server then keeps: telling it first and calling after
    /// would fail once more should it forget between the two.
    pub(super) fn whole(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(&self.script.text);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.command.arg(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Names, one after the other.
    pub(super) fn names<N: AsRef<str>>(&mut self, names: &[N]) -> &mut Self {
        for name in names {
            self.text(name.as_ref());
        }
        self
    }

    pub(super) fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        self.command.arg(number.into());
        self
    }

    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.command.arg(count);
        self
    }

    /// A number, or '' for none.
    pub(super) fn maybe(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.text(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_part_of_a_script_and_begins_with_what_it_does() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/redis/lua");
        let all: String = ALL.iter().map(|script| script.hashed.get_hash()).collect();
        assert_eq!(all.len(), ALL.len() * 40, "a hash each");
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("-- "), "{}", path.display());
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let named = format!("\"{name}\"");
            assert!(include_str!("script.rs").contains(&named), "{name}");
        }
    }
}
