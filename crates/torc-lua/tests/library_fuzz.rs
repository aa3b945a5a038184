//! The properties of the fuzz target `script_libraries`, on generated input.

mod library_harness;

use library_harness::{Lua, check};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that are likely to mean something to one of the libraries.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..12),
        proptest::sample::select(&b"[]{},:\"\\/ \n0123456789-+.eExnulltruefalseinf"[..]).prop_map(|byte| vec![byte]),
        proptest::sample::select(&b"<>! bBhHlLTiIfdxcs0123456789"[..]).prop_map(|byte| vec![byte]),
        "\"[a-z]{0,9}\"".prop_map(String::into_bytes),
        r"\\u[0-9a-fd][0-9a-f8c]{3}".prop_map(String::into_bytes),
        "-?[0-9]{1,18}([.][0-9]{1,9})?(e-?[0-9]{1,3})?".prop_map(String::into_bytes),
        proptest::sample::select(
            &[0x80_u8, 0x81, 0x82, 0x91, 0x92, 0xa1, 0xc0, 0xca, 0xcb, 0xcf, 0xd9, 0xdd, 0xdf][..]
        )
        .prop_map(|byte| vec![byte]),
    ]
}

/// JSON, and texts near it.
fn json() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z]{0,5}(\\\\[nt/\"u\\\\]|[0-9a-f]{4})?".prop_map(|text| format!("\"{text}\"")),
    ];
    let value = leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|values| format!("[{}]", values.join(","))),
            vec(("[a-z]{0,3}", inner), 0..6).prop_map(|entries| {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    });
    value.prop_map(String::into_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_read_or_refused(pieces in vec(piece(), 0..20)) {
        check(&pieces.concat());
    }

    #[test]
    fn json_is_read_and_written(text in json(), damage in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        check(&text);
        let mut damaged = text;
        let at = damage.index(damaged.len());
        damaged[at] = byte;
        check(&damaged);
        check(&damaged[..at]);
    }

    /// Doubles of any bits survive MessagePack and struct, and JSON to 14 digits.
    #[test]
    fn numbers_come_back(bits in any::<u64>(), scaled in any::<i32>()) {
        let lua = Lua::new();
        let program = "local d = struct.unpack('<d', ARGV[1]) \
            local function same(a, b) return a == b or (a ~= a and b ~= b) end \
            assert(same(cmsgpack.unpack(cmsgpack.pack(d)), d)) \
            assert(same((struct.unpack('>d', struct.pack('>d', d))), d)) \
            if d - d == 0 then assert(cjson.encode(d) == string.format('%.14g', d)) end";
        for number in [f64::from_bits(bits), f64::from(scaled), f64::from(scaled) / 1000.0] {
            lua.run(program, &number.to_le_bytes()).map_err(|error| error.escape_ascii().to_string()).unwrap();
        }
    }
}
