//! Why a server did not start.

use std::fmt;

use super::Version;

/// Why a server did not start, with what it logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError {
    version: Version,
    reason: String,
    log: String,
}

impl StartError {
    /// What the server logged before it gave up; empty where there was no process.
    pub fn log(&self) -> &str {
        &self.log
    }

    pub(super) fn new(version: Version, reason: String, log: &str) -> Self {
        Self {
            version,
            reason,
            log: log.to_owned(),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nats-server {} did not start: {}", self.version, self.reason)?;
        if !self.log.is_empty() {
            write!(f, "\n{}", self.log)?;
        }
        Ok(())
    }
}

impl std::error::Error for StartError {}
