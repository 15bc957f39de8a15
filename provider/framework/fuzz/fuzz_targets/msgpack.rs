//! Whatever bytes come from the host: a value or an error, and a value can be sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provider_framework::msgpack::{decode, encode};
use provider_framework::schema::type_from_json;

const TYPES: [&str; 6] = [
    r#""dynamic""#,
    r#""number""#,
    r#"["set",["object",{"a":"string","b":"number"}]]"#,
    r#"["map",["list","dynamic"]]"#,
    r#"["tuple",["bool",["set","string"]]]"#,
    r#"["object",{"name":"string","count":"number","tags":["map","string"],"any":"dynamic"}]"#,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    let ty = type_from_json(TYPES[usize::from(which) % TYPES.len()].as_bytes()).expect("a type");
    if let Ok(value) = decode(bytes, &ty) {
        assert_eq!(decode(&encode(&value, &ty), &ty).as_ref(), Ok(&value));
    }
});
