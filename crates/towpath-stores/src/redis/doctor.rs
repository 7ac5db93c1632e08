//! Doctor: whether the server is set up so that it keeps what it accepted; of a cluster, the node that serves the
//! namespace.

use std::collections::HashMap;

use redis::{RedisResult, Value};
use towpath_core::Result;
use towpath_core::store::Finding;

use super::error::Translate;
use super::route::Route;
use super::store::Shared;

/// The oldest server that has the commands of the scripts.
const VERSION_MIN: (u32, u32) = (6, 2);

impl Shared {
    pub(super) async fn doctor(&self) -> Result<Vec<Finding>> {
        let translate = self.translate.clone();
        let work = move |mut route: Route| async move {
            let found = findings(&mut route).await;
            found.map_err(|error| translate.error(&error))
        };
        self.driver()?.run(work).await
    }
}

/// Tells the log what the doctor would find. A server that does not tell about itself is left in peace.
pub(super) async fn warn(route: &mut Route, translate: &Translate) {
    for Finding { about, problem } in findings(route).await.unwrap_or_default() {
        tracing::warn!(store = translate.url(), "{about} {problem}");
    }
}

async fn findings(route: &mut Route) -> RedisResult<Vec<Finding>> {
    let info: String = redis::from_redis_value(route.send(&redis::cmd("INFO")).await?)?;
    let info: HashMap<&str, &str> = info
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect();
    // Managed servers refuse this command; then what INFO says must do.
    let mut saves = redis::cmd("CONFIG");
    saves.arg("GET").arg("save");
    let saves = match route.send(&saves).await {
        Ok(Value::Array(pair)) => {
            !matches!(pair.get(1), Some(Value::BulkString(b)) if b.is_empty())
        }
        _ => true,
    };
    let mut findings = examine(&info, saves);
    if let Some(node) = route.node() {
        for finding in &mut findings {
            finding.about = format!("{} of the cluster's node {node}", finding.about);
        }
    }
    Ok(findings)
}

/// `saves` is whether snapshots are made, as far as that is known.
fn examine(info: &HashMap<&str, &str>, saves: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |about: &str, problem: String| {
        findings.push(Finding {
            about: about.to_owned(),
            problem,
        });
    };
    let version = info.get("redis_version").copied().unwrap_or("0.0");
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < VERSION_MIN {
        let (major, minor) = VERSION_MIN;
        find(
            "the server's version",
            format!("is {version}; the scripts need {major}.{minor} or newer"),
        );
    }
    let policy = info
        .get("maxmemory_policy")
        .copied()
        .unwrap_or("noeviction");
    if policy.starts_with("allkeys") {
        find(
            "the eviction policy",
            format!(
                "is {policy}, which drops messages when memory is short; set maxmemory-policy noeviction"
            ),
        );
    }
    if info.get("aof_enabled") == Some(&"0") && !saves {
        find(
            "persistence",
            "is off, so a restart of the server loses every message; set appendonly yes".to_owned(),
        );
    }
    if info.get("aof_last_write_status") == Some(&"err") {
        find(
            "the append-only file",
            "could not be written; look at the server's disk".to_owned(),
        );
    }
    if info.get("role") == Some(&"slave") {
        find(
            "the server",
            "is a replica, which takes no writes; name the primary".to_owned(),
        );
    }
    // A primary that keeps its data comes back with it, but until then nobody serves the namespace.
    if info.get("cluster_enabled") == Some(&"1") && info.get("connected_slaves") == Some(&"0") {
        find(
            "the replication",
            "has no replica that is connected, so nobody takes over when the node fails; add one"
                .to_owned(),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(changed: &[(&'static str, &'static str)], saves: bool) -> Vec<String> {
        let mut info = HashMap::from([
            ("redis_version", "6.2.0"),
            ("maxmemory_policy", "noeviction"),
            ("aof_enabled", "1"),
            ("aof_last_write_status", "ok"),
            ("role", "master"),
        ]);
        info.extend(changed.iter().copied());
        let findings = examine(&info, saves).into_iter();
        findings.map(|finding| finding.about).collect()
    }

    #[test]
    fn what_can_lose_messages_is_found() {
        assert!(problems(&[], false).is_empty());
        assert!(problems(&[("aof_enabled", "0")], true).is_empty());
        assert!(problems(&[("maxmemory_policy", "volatile-lru")], true).is_empty());
        let check = |changed, about: &str| assert_eq!(problems(changed, false), [about]);
        check(&[("redis_version", "6.0.16")], "the server's version");
        check(
            &[("maxmemory_policy", "allkeys-lru")],
            "the eviction policy",
        );
        check(&[("aof_enabled", "0")], "persistence");
        check(&[("aof_last_write_status", "err")], "the append-only file");
        check(&[("role", "slave")], "the server");
        check(
            &[("cluster_enabled", "1"), ("connected_slaves", "0")],
            "the replication",
        );
        let replicated = [("cluster_enabled", "1"), ("connected_slaves", "1")];
        assert!(problems(&replicated, true).is_empty());
        assert!(problems(&[("connected_slaves", "0")], true).is_empty());
    }
}
