//! Whatever is in a state file: a value or an error, and a value can be sent to the host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provider_framework::msgpack::{decode, encode};
use provider_framework::schema::type_from_json;
use provider_framework::value::from_json;

fuzz_target!(|json: &[u8]| {
    let ty = br#"["object",{"name":"string","count":"number","zones":["set","string"],"any":"dynamic"}]"#;
    let ty = type_from_json(ty).expect("a type");
    if let Ok(value) = from_json(json, &ty) {
        assert_eq!(decode(&encode(&value, &ty), &ty).as_ref(), Ok(&value));
    }
});
