//! Certificates and keys, which are read again while clients are served: CONFIG SET, SIGHUP, `tls-auto-reload-interval`.

use std::time::{Duration, Instant};

use torc_engine::error::CommandError;
use torc_engine::{HostReply, TlsChange};

use super::Keeper;

impl Keeper {
    /// CONFIG SET of a directive of encryption.
    pub(super) fn change_tls(&self, change: &TlsChange) -> Result<(), HostReply> {
        let Some(tls) = &self.tls else { return Ok(()) };
        tls.reload(&change.config, &self.config.dir).map_err(|why| {
            tracing::warn!("Failed to configure TLS: {why}");
            HostReply::Error(CommandError::made(format!(
                "ERR CONFIG SET failed (possibly related to argument '{}') - Unable to update TLS configuration. Check server logs.",
                change.directive
            )))
        })
    }

    /// SIGHUP.
    pub(super) fn renew_tls(&self) {
        let Some(tls) = &self.tls else { return };
        match tls.renew() {
            Ok(()) => tracing::info!("Certificates and keys are read again; new connections have them"),
            Err(why) => tracing::warn!("Certificates and keys stay as they were: {why}"),
        }
    }

    /// Reads the files again if it is time to look at them, and one is another.
    pub(super) fn look_at_certificates(&mut self) {
        let interval = Duration::from_secs(u64::from(self.config.tls.auto_reload_interval_seconds));
        if interval.is_zero() || self.certificates_seen.elapsed() < interval {
            return;
        }
        self.certificates_seen = Instant::now();
        if self.tls.as_ref().is_some_and(|tls| tls.has_changed()) {
            self.renew_tls();
        }
    }
}
