//! Whole values on their way out of a shard and into it: in the format of RDB files, or detached.

use torc_rdb::Value;
use torc_rdb::payload::Checksum;
use torc_store::{StringForm, UnixMillis, ValueRef};

use super::ShardContext;
use crate::config::Config;
use crate::snapshot::{self, Layout, Place, Unsupported};

impl ShardContext<'_> {
    /// Looks a key up beside the configuration, which says how its value is written. Counts nothing ([`ShardContext::count_lookup`]);
    /// `touch`: moves the access clock.
    pub fn look_up_beside_config(&mut self, key: &[u8], touch: bool) -> (Option<ValueRef<'_>>, &Config) {
        let state = &mut *self.state;
        (state.keyspace.read(self.db, key, state.now_ms, touch), &state.config)
    }

    /// Makes the value and the expiry of a key these, whatever it held.
    ///
    /// # Errors
    /// Nothing has changed: the store has no such values.
    pub fn put(
        &mut self,
        key: &[u8],
        value: &Value,
        expire_at: Option<UnixMillis>,
        layout: Layout,
    ) -> Result<(), Unsupported> {
        let state = &mut *self.state;
        let place = Place::new(&mut state.keyspace, self.db, key, state.now_ms);
        snapshot::put(place, value, expire_at, layout, &state.config)
    }

    /// Makes the value of a key a string of this form, and gives it an expiry, whatever it held.
    pub fn put_string(&mut self, key: &[u8], bytes: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
        let place = Place::new(&mut self.state.keyspace, self.db, key, self.state.now_ms);
        place.clear().insert_string(bytes, expire_at, form);
    }

    /// Makes the value that another core has handed over that of a key, whatever it held.
    pub fn take_over(&mut self, key: &[u8]) {
        let state = &mut *self.state;
        let value = state.detached_value.take().expect("a big value is handed over");
        state.keyspace.take_over(self.db, key, value, state.now_ms);
    }

    /// Whether RESTORE looks at checksums.
    pub fn payload_checksum(&self) -> Checksum {
        self.state.payload_checksum
    }
}
