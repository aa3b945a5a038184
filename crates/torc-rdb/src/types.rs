//! The numbers of the format's types. One kind of value has several: each is another layout.

/// A string.
pub const STRING: u8 = 0;
/// A list, element by element (Redis up to 3.0).
pub const LIST: u8 = 1;
/// A set, member by member.
pub const SET: u8 = 2;
/// A sorted set with scores as text (Redis up to 3.2).
pub const ZSET: u8 = 3;
/// A hash, field by field.
pub const HASH: u8 = 4;
/// A sorted set with binary scores.
pub const ZSET_2: u8 = 5;
/// A hash as a zipmap (Redis up to 2.4).
pub const HASH_ZIPMAP: u8 = 9;
/// A list as a ziplist (Redis up to 3.0).
pub const LIST_ZIPLIST: u8 = 10;
/// A set of integers.
pub const SET_INTSET: u8 = 11;
/// A sorted set as a ziplist (Redis up to 6.2).
pub const ZSET_ZIPLIST: u8 = 12;
/// A hash as a ziplist (Redis up to 6.2).
pub const HASH_ZIPLIST: u8 = 13;
/// A list as ziplists (Redis 3.2 to 6.2).
pub const LIST_QUICKLIST: u8 = 14;
/// A stream (Redis 5.0 and 6).
pub const STREAM_LISTPACKS: u8 = 15;
/// A hash as a listpack.
pub const HASH_LISTPACK: u8 = 16;
/// A sorted set as a listpack.
pub const ZSET_LISTPACK: u8 = 17;
/// A list as listpacks and large elements.
pub const LIST_QUICKLIST_2: u8 = 18;
/// A stream (Redis 7.0).
pub const STREAM_LISTPACKS_2: u8 = 19;
/// A set as a listpack (Redis 7.2).
pub const SET_LISTPACK: u8 = 20;
/// A stream (Redis 7.2).
pub const STREAM_LISTPACKS_3: u8 = 21;
/// In versions below [`VERSION_VALKEY_MIN`](crate::payload::VERSION_VALKEY_MIN): a hash with expiring fields, as
/// release candidates of Redis 7.4 wrote it. From there on: one of Valkey 9.
pub const HASH_22: u8 = 22;
/// A hash with expiring fields as a listpack, of release candidates of Redis 7.4.
pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
/// A hash with expiring fields (Redis 7.4).
pub const HASH_METADATA: u8 = 24;
/// A hash with expiring fields as a listpack (Redis 7.4).
pub const HASH_LISTPACK_EX: u8 = 25;
/// A stream, with the identifiers by which its producers avoid to add an entry twice (Redis 8.6).
pub const STREAM_LISTPACKS_4: u8 = 26;
/// [`STREAM_LISTPACKS_4`] with entries that consumers gave back (Redis 8.8).
pub const STREAM_LISTPACKS_5: u8 = 27;
/// An array (Redis 8.8). It can be skipped, not read.
pub const ARRAY: u8 = 28;

/// How Redis names the layout of a type in its log, when a value of it is damaged.
#[must_use]
pub fn layout_name(kind: u8) -> &'static str {
    match kind {
        STRING => "String",
        LIST => "List",
        SET => "Set",
        ZSET | ZSET_2 => "Zset",
        HASH | HASH_22 | HASH_METADATA => "Hash",
        HASH_ZIPMAP => "Zipmap",
        LIST_ZIPLIST | LIST_QUICKLIST => "Ziplist",
        SET_INTSET => "Intset",
        ZSET_ZIPLIST => "Zset ziplist",
        HASH_ZIPLIST => "Hash ziplist",
        STREAM_LISTPACKS | STREAM_LISTPACKS_2 | STREAM_LISTPACKS_3 | STREAM_LISTPACKS_4 | STREAM_LISTPACKS_5 => {
            "Stream listpack"
        }
        HASH_LISTPACK | HASH_LISTPACK_EX_PRE_GA | HASH_LISTPACK_EX => "Hash listpack",
        ZSET_LISTPACK => "Zset listpack",
        LIST_QUICKLIST_2 => "Listpack",
        SET_LISTPACK => "Set listpack",
        _ => "Value",
    }
}
