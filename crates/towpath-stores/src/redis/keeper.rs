//! The way of the heartbeat: a connection of its own that blocks its thread.

use std::sync::Arc;
use std::time::Duration;

use redis::{Connection, RedisResult, ServerErrorKind, Value};
use towpath_core::store::{Extend, LeaseKeeper, LockToken};
use towpath_core::{Error, Result, limits};

use super::driver::{CONNECT, HEARTBEAT};
use super::lease::{lease_lost, token};
use super::reply;
use super::script::{Call, EXTEND};
use super::store::Shared;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// Made anew when it was lost.
    connection: Option<Connection>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connection: None,
        }
    }

    fn ask(&mut self, call: &Call) -> Result<Value> {
        self.call(call).map_err(|error| {
            // Whatever it was: the next heartbeat begins with a fresh connection.
            self.connection = None;
            self.shared.translate.error(&error)
        })
    }

    fn call(&mut self, call: &Call) -> RedisResult<Value> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let fresh = self.shared.client().get_connection_with_timeout(CONNECT)?;
                fresh.set_read_timeout(Some(HEARTBEAT))?;
                fresh.set_write_timeout(Some(HEARTBEAT))?;
                self.connection.insert(fresh)
            }
        };
        match call.command.query::<Value>(connection) {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
                call.whole().query(connection)
            }
            answer => answer,
        }
    }
}

impl LeaseKeeper for Keeper {
    fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        let started = extend.started.len();
        if started > limits::STARTED_PER_HEARTBEAT {
            let limit = limits::STARTED_PER_HEARTBEAT;
            return Err(Error::invalid(format!(
                "a heartbeat with {started} started attempts, the limit is {limit}"
            )));
        }
        let mut call = self.shared.lease_call(&EXTEND);
        call.bytes(extend.incarnation.as_bytes())
            .number(super::bytes::millis(extend.lease));
        for started in extend.started {
            call.bytes(&token(*started));
        }
        let answer = self.ask(&call)?;
        if reply::yes(&answer) {
            Ok(())
        } else {
            Err(lease_lost(extend.incarnation))
        }
    }

    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>> {
        let call = self.shared.renewal(renewals)?;
        let answer = self.ask(&call)?;
        self.shared.read_renewed(renewals, answer)
    }
}
