//! Samples of what core sends, round trips, hostile bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{decode, encode};
use crate::AttributePath;
use crate::rules::conform;
use crate::schema::{Type, type_from_json};
use crate::value::{Bound, Number, Refinements, Value};

fn ty(json: &str) -> Type {
    type_from_json(json.as_bytes()).unwrap()
}

fn number(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

#[track_caller]
fn assert_decodes(bytes: &[u8], ty: &Type, value: &Value) {
    assert_eq!(&decode(bytes, ty).unwrap(), value);
}

#[test]
fn numbers_arrive_as_integers_doubles_or_text() {
    assert_decodes(b"\x07", &Type::Number, &number("7"));
    assert_decodes(b"\xff", &Type::Number, &number("-1"));
    assert_decodes(b"\xcd\x01\x00", &Type::Number, &number("256"));
    assert_decodes(b"\xd3\x80\0\0\0\0\0\0\0", &Type::Number, &number("-9223372036854775808"));
    assert_decodes(b"\xcb\x3f\xe0\0\0\0\0\0\0", &Type::Number, &number("0.5"));
    assert_decodes(b"\xca\x3f\0\0\0", &Type::Number, &number("0.5"));
    assert_decodes(b"\xa30.1", &Type::Number, &number("0.1"));
    assert_decodes(b"\xb39223372036854775808", &Type::Number, &number("9223372036854775808"));
}

#[test]
fn a_double_is_taken_for_exactly_what_it_is() {
    let bytes = [b"\xcb".as_slice(), &0.1_f64.to_be_bytes()].concat();

    let exact = "0.1000000000000000055511151231257827021181583404541015625";
    assert_decodes(&bytes, &Type::Number, &number(exact));
}

#[test]
fn numbers_leave_as_integers_or_text() {
    assert_eq!(encode(&number("7"), &Type::Number), b"\x07");
    assert_eq!(encode(&number("-1"), &Type::Number), b"\xd3\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(
        encode(&number("18446744073709551615"), &Type::Number),
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
    );
    assert_eq!(encode(&number("0.1"), &Type::Number), b"\xa30.1");
    assert_eq!(encode(&number("1e20"), &Type::Number), b"\xb5100000000000000000000");
}

#[test]
fn infinities_and_non_numbers_are_refused() {
    for bits in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        assert!(
            decode(&[b"\xcb".as_slice(), &bits.to_be_bytes()].concat(), &Type::Number).is_err()
        );
    }
    assert!(decode(b"\xa3abc", &Type::Number).is_err());
}

#[test]
fn any_extension_is_an_unknown_value() {
    assert_decodes(b"\xd4\0\0", &Type::String, &Value::UNKNOWN);
    assert_decodes(b"\xd5\x63\x01\x02", &Type::Bool, &Value::UNKNOWN);
    assert_decodes(b"\xc7\x01\x0c\xc1", &Type::String, &Value::UNKNOWN);
    assert_decodes(b"\xd4\0\0", &ty(r#"["object",{"a":"bool"}]"#), &Value::UNKNOWN);
}

#[test]
fn refinements_of_unknown_values_are_kept() {
    // { 1: false, 2: "https://" }
    let body = b"\x82\x01\xc2\x02\xa8https://";
    let bytes = [b"\xc7\x0d\x0c".as_slice(), body].concat();

    assert_decodes(&bytes, &Type::String, &Value::refined(Refinements::prefix("https://")));
}

#[test]
fn what_is_not_understood_of_a_refinement_is_skipped() {
    // { 99: [1, {"a": nil}], 1: false }
    let body = b"\x82\x63\x92\x01\x81\xa1a\xc0\x01\xc2";
    let bytes = [b"\xc7\x0a\x0c".as_slice(), body].concat();

    assert_decodes(&bytes, &Type::String, &Value::refined(Refinements::not_null()));
}

#[test]
fn every_refinement_survives_a_round_trip() {
    let bound = |text: &str, inclusive| Some(Bound { number: text.parse().unwrap(), inclusive });
    let not_null = Refinements::not_null();
    let in_range =
        Refinements { minimum: bound("1", true), maximum: bound("2.5", false), ..not_null.clone() };
    let sized =
        Refinements { minimum_length: Some(1), maximum_length: Some(300), ..not_null.clone() };
    let cases = [
        (Type::Bool, not_null),
        (Type::String, Refinements::prefix("é".repeat(100))),
        (Type::Number, in_range),
        (ty(r#"["set","string"]"#), sized),
    ];
    for (ty, refinements) in cases {
        let value = Value::refined(refinements);
        assert_decodes(&encode(&value, &ty), &ty, &value);
    }
}

#[test]
fn a_refinement_that_cannot_apply_is_not_sent() {
    let refined = Value::refined(Refinements::prefix("a"));

    assert_eq!(encode(&refined, &Type::Any), b"\xd4\0\0");
    let sent = decode(&encode(&refined, &Type::Number), &Type::Number).unwrap();
    assert_eq!(sent, Value::refined(Refinements::not_null()));
}

#[test]
fn a_long_prefix_is_cut_between_characters() {
    let long = Value::refined(Refinements::prefix(format!("a{}", "é".repeat(200))));

    let sent = decode(&encode(&long, &Type::String), &Type::String).unwrap();

    assert_eq!(sent, Value::refined(Refinements::prefix(format!("a{}", "é".repeat(127)))));
}

#[test]
fn a_dynamic_value_is_a_pair_of_type_and_value() {
    let set = Value::dynamic(ty(r#"["set","string"]"#), Value::set(["a"]));
    let bytes = encode(&set, &Type::Any);

    assert_eq!(bytes, b"\x92\xc5\x00\x10[\"set\",\"string\"]\x91\xa1a");
    assert_decodes(&bytes, &Type::Any, &set);
    // The type may come as text too.
    assert_decodes(b"\x92\xa8\"string\"\xa1x", &Type::Any, &Value::dynamic(Type::String, "x"));
    assert_decodes(b"\xc0", &Type::Any, &Value::Null);
    assert_decodes(b"\xd4\0\0", &Type::Any, &Value::UNKNOWN);
}

#[test]
fn a_set_is_sorted_and_has_no_duplicates() {
    assert_decodes(b"\x93\xa1b\xa1a\xa1b", &ty(r#"["set","string"]"#), &Value::set(["a", "b"]));
}

#[test]
fn an_object_has_exactly_the_attributes_of_its_type() {
    let ty = ty(r#"["object",{"a":"string","b":"bool"}]"#);

    let error = |bytes: &[u8]| {
        let error = decode(bytes, &ty).unwrap_err();
        (error.path(), error.to_string())
    };

    assert_eq!(error(b"\x81\xa1a\xc0").1, "an object with 2 attributes is required (1 given)");
    assert_eq!(
        error(b"\x82\xa1a\xc0\xa1c\xc0"),
        (AttributePath::new("c"), "no such attribute".to_owned())
    );
    assert_eq!(
        error(b"\x82\xa1a\xc0\xa1a\xc0"),
        (AttributePath::new("a"), "the attribute is given twice".to_owned())
    );
    assert_eq!(
        error(b"\x82\xa1a\x01\xa1b\xc0"),
        (AttributePath::new("a"), "a string is required, a number given".to_owned())
    );
}

#[test]
fn lengths_that_promise_more_than_there_is_are_refused_at_once() {
    for bytes in [
        b"\xdd\xff\xff\xff\xff".as_slice(),
        b"\xdf\xff\xff\xff\xff\xa1a",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\0",
    ] {
        for ty in [ty(r#"["list","dynamic"]"#), ty(r#"["map","string"]"#), Type::String] {
            assert!(decode(bytes, &ty).is_err());
        }
    }
}

#[test]
fn values_that_are_nested_too_deeply_are_refused() {
    // [type, [type, [type, …]]]: each level says that it holds anything at all.
    let level = b"\x92\xa9\"dynamic\"";
    assert!(decode(&[level.repeat(100).as_slice(), b"\xc0"].concat(), &Type::Any).is_ok());

    let error =
        decode(&[level.repeat(100_000).as_slice(), b"\xc0"].concat(), &Type::Any).unwrap_err();

    assert_eq!(error.to_string(), "the value is nested too deeply");
}

#[test]
fn a_refinement_nested_without_end_costs_no_stack() {
    let body = [b"\x81\x63".as_slice(), &b"\x91".repeat(900), b"\xc0"].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let bytes = [b"\xc8".as_slice(), &length, b"\x0c", &body].concat();

    assert_decodes(&bytes, &Type::String, &Value::UNKNOWN);
}

#[test]
fn bytes_after_the_value_are_refused() {
    assert!(decode(b"\xc0\xc0", &Type::String).is_err());
}

/// A type, and a value of it.
fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    typed_value_of(arbitrary_type())
}

fn typed_value_of(types: impl Strategy<Value = Type>) -> impl Strategy<Value = (Type, Value)> {
    types.prop_flat_map(|ty| {
        let value = arbitrary_value(&ty);
        (Just(ty), value)
    })
}

fn arbitrary_type() -> impl Strategy<Value = Type> {
    let leaf =
        prop_oneof![Just(Type::String), Just(Type::Number), Just(Type::Bool), Just(Type::Any)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| Type::List(Box::new(element))),
            inner.clone().prop_map(|element| Type::Set(Box::new(element))),
            inner.clone().prop_map(|element| Type::Map(Box::new(element))),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Type::Tuple),
            prop::collection::hash_map("[a-z]{1,6}", inner, 0..3).prop_map(Type::Object),
        ]
    })
}

fn arbitrary_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,3})?".prop_map(|text| text.parse().unwrap()),
    ]
}

fn arbitrary_value(ty: &Type) -> BoxedStrategy<Value> {
    let known = match ty {
        Type::String => ".{0,50}".prop_map(Value::String).boxed(),
        Type::Number => arbitrary_number().prop_map(Value::Number).boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::List(element) => {
            prop::collection::vec(arbitrary_value(element), 0..4).prop_map(Value::List).boxed()
        }
        Type::Set(element) => prop::collection::vec(arbitrary_value(element), 0..4)
            .prop_map(|elements| Value::Set(elements.into_iter().collect()))
            .boxed(),
        Type::Map(element) => prop::collection::btree_map(".{0,8}", arbitrary_value(element), 0..4)
            .prop_map(Value::Map)
            .boxed(),
        Type::Tuple(types) => {
            types.iter().map(arbitrary_value).collect::<Vec<_>>().prop_map(Value::List).boxed()
        }
        Type::Object(attributes) => {
            let attributes: Vec<_> = attributes
                .iter()
                .map(|(name, ty)| (Just(name.clone()), arbitrary_value(ty)))
                .collect();
            attributes
                .prop_map(|entries| Value::Map(entries.into_iter().collect::<BTreeMap<_, _>>()))
                .boxed()
        }
        Type::Any => {
            typed_value_of(prop_oneof![Just(Type::String), Just(Type::Bool), Just(ty_of_list())])
                .prop_map(|(ty, value)| Value::dynamic(ty, value))
                .boxed()
        }
    };
    prop_oneof![8 => known, 1 => Just(Value::Null), 1 => Just(Value::UNKNOWN)].boxed()
}

fn ty_of_list() -> Type {
    Type::List(Box::new(Type::Number))
}

proptest! {
    #[test]
    fn values_survive_a_round_trip((ty, value) in typed_value()) {
        prop_assert_eq!(conform(value.clone(), &ty).unwrap(), value.clone());
        prop_assert_eq!(decode(&encode(&value, &ty), &ty).unwrap(), value);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(ty in arbitrary_type(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = decode(&bytes, &ty) {
            // What was decoded is a value of the type, and can be sent again.
            prop_assert_eq!(decode(&encode(&value, &ty), &ty).unwrap(), value);
        }
    }

    #[test]
    fn a_truncated_value_is_an_error((ty, value) in typed_value(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&value, &ty);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())], &ty).is_err());
    }

    #[test]
    fn a_damaged_value_is_a_value_or_an_error((ty, value) in typed_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&value, &ty);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(value) = decode(&bytes, &ty) {
            prop_assert_eq!(decode(&encode(&value, &ty), &ty).unwrap(), value);
        }
    }
}
