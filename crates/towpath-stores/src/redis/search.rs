//! Looking for the node of a cluster that serves a namespace: a decision per answer, and no connection.
//!
//! A node is asked about the key that all scripts name. The one that serves its slot answers; another names it
//! (`MOVED`); one that has lost its cluster says so. Nobody is asked twice in one search, so it ends.

use std::collections::VecDeque;

use redis::{Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

use super::nodes::{NODES_MAX, address, told_by};

/// What is asked.
pub(super) fn question(prefix: &str) -> Cmd {
    let mut question = redis::cmd("EXISTS");
    question.arg(prefix);
    question
}

/// One search.
#[derive(Debug)]
pub(super) struct Search {
    next: VecDeque<Client>,
    asked: Vec<Client>,
    refused: Option<RedisError>,
}

impl Search {
    pub(super) fn among(nodes: impl IntoIterator<Item = Client>) -> Self {
        Self {
            next: nodes.into_iter().collect(),
            asked: Vec::new(),
            refused: None,
        }
    }

    /// Whom to ask now; `None` when all were.
    pub(super) fn next(&mut self) -> Option<Client> {
        while let Some(node) = self.next.pop_front() {
            let known = |asked: &Client| address(asked) == address(&node);
            if self.asked.len() < NODES_MAX && !self.asked.iter().any(known) {
                self.asked.push(node.clone());
                return Some(node);
            }
        }
        None
    }

    /// Whether the node that answered so is the one.
    pub(super) fn is_found(&mut self, node: &Client, answer: RedisResult<Value>) -> bool {
        match answer {
            Ok(_) => true,
            // Its slot is on its way to another node; until that is there it is the one to ask.
            Err(error) if error.kind() == ServerErrorKind::Ask.into() => true,
            Err(error) => {
                if let Some(told) = moved_to(node, &error) {
                    self.next.push_front(told);
                }
                self.refused = Some(error);
                false
            }
        }
    }

    /// Why nobody was found.
    pub(super) fn failed(self) -> RedisError {
        let nobody = || RedisError::from((ErrorKind::ClusterConnectionNotFound, "nobody answers"));
        self.refused.unwrap_or_else(nobody)
    }
}

/// The node that `node` says serves the slot.
pub(super) fn moved_to(node: &Client, error: &RedisError) -> Option<Client> {
    if error.kind() != ServerErrorKind::Moved.into() {
        return None;
    }
    let (told, _slot) = error.redirect_node()?;
    told_by(node, told)
}

/// What to do about a command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Look for the node that serves the slot, and send it there: this one did nothing.
    SearchAgain,
    /// Send it again: nothing was done, and soon something may be.
    Again,
    /// Say so, and look for the node before the next one. It may have been done, so it must not be sent again: a
    /// claim whose answer was lost has handed messages out.
    Lost,
    /// Say so.
    Tell,
}

/// What to do about an answer.
pub(super) fn judge(error: &RedisError) -> Then {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::Moved
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown,
        ) => Then::SearchAgain,
        // A slot on its way. The redirect is not followed: the keys of the namespace arrive there one by one, and
        // a script would take those that have not for gone, and make others in their place.
        ErrorKind::Server(
            ServerErrorKind::Ask | ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading,
        ) => Then::Again,
        ErrorKind::Server(_) | ErrorKind::Extension => Then::Tell,
        _ => Then::Lost,
    }
}

/// What to do where nobody was found, so that nothing was sent.
pub(super) fn judge_search(error: &RedisError) -> Then {
    match (error.kind(), judge(error)) {
        (ErrorKind::AuthenticationFailed, _) => Then::Tell,
        #[cfg(feature = "tls")]
        (_, _) if crate::tls::refusal(error).is_some() => Then::Tell,
        (_, Then::Tell) => Then::Tell,
        (..) => Then::SearchAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str) -> Client {
        Client::open(format!("redis://{host}:1")).unwrap()
    }

    fn error(line: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    fn place(node: Option<Client>) -> Option<String> {
        node.map(|node| address(&node).to_string())
    }

    #[test]
    fn who_is_told_of_is_asked_next_and_nobody_twice() {
        let mut search = Search::among([node("a"), node("b"), node("c")]);
        let a = search.next().unwrap();
        assert!(!search.is_found(&a, Err(error("MOVED 7 d:1"))));
        let d = search.next().unwrap();
        assert_eq!(address(&d).to_string(), "d:1");
        assert!(!search.is_found(&d, Err(error("MOVED 7 a:1"))));
        assert_eq!(place(search.next()), Some("b:1".to_owned()));
        let c = search.next().unwrap();
        assert!(!search.is_found(&c, Err(error("CLUSTERDOWN the cluster is down"))));
        assert_eq!(place(search.next()), None);
        assert_eq!(search.failed().kind(), ServerErrorKind::ClusterDown.into());
    }

    #[test]
    fn nodes_that_lead_ever_further_are_followed_for_so_long() {
        let mut search = Search::among([node("a")]);
        let mut asked = 0;
        while let Some(node) = search.next() {
            asked += 1;
            let further = error(&format!("MOVED 7 a{asked}:1"));
            assert!(!search.is_found(&node, Err(further)));
        }
        assert_eq!(asked, NODES_MAX);
    }

    #[test]
    fn only_what_was_not_done_is_sent_again() {
        let check = |line: &str, then| assert_eq!(judge(&error(line)), then, "{line}");
        check("MOVED 7 b:1", Then::SearchAgain);
        check("CLUSTERDOWN Hash slot not served", Then::SearchAgain);
        check("ASK 7 b:1", Then::Again);
        check(
            "TRYAGAIN Multiple keys request during rehashing of slot",
            Then::Again,
        );
        check("NOSCRIPT No matching script", Then::Tell);
        check("OOM command not allowed", Then::Tell);
        let dropped = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let late = RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        assert_eq!([judge(&dropped), judge(&late)], [Then::Lost, Then::Lost]);
        assert_eq!(judge_search(&dropped), Then::SearchAgain);
    }
}
