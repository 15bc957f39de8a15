//! Which plain scalars every reader of YAML 1.1 and 1.2 understands alike.

use super::NodeKind;

/// Words that some reader takes for something other than a string.
const TRAPS: [&str; 14] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nil", "none", "nan", "inf",
    "infinity",
];

/// Whether any reader takes the word for a boolean, null or a number.
pub(super) fn is_trap(text: &str) -> bool {
    TRAPS.iter().any(|trap| text.eq_ignore_ascii_case(trap))
}

/// Whether a string may be written without quotes: a letter, slash or underscore, then nothing that has a
/// meaning in any version of YAML.
pub(super) fn is_safe_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    let starts_well =
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'/');
    starts_well
        && bytes.all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b'@' | b':')
        })
        && !text.ends_with(':')
        && !is_trap(text)
}

/// Reads a plain scalar; `Err` says what it could be taken for.
pub(super) fn resolve(text: &str) -> Result<NodeKind, &'static str> {
    match text {
        "null" => return Ok(NodeKind::Null),
        "true" => return Ok(NodeKind::Bool(true)),
        "false" => return Ok(NodeKind::Bool(false)),
        "" | "~" => return Err("null"),
        "=" | "<<" => return Err("a special key"),
        _ => {}
    }
    if is_trap(text) || text.eq_ignore_ascii_case(".nan") {
        return Err("a boolean, null or a number");
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '+') {
        return Ok(NodeKind::Text(text.to_owned()));
    }
    if is_decimal_int(digits) {
        return text.parse().map(NodeKind::Int).map_err(|_| "a number too large to keep exactly");
    }
    if let Some((whole, fraction)) = digits.split_once('.')
        && is_decimal_int(whole)
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return text.parse().map(NodeKind::Float).map_err(|_| "a number");
    }
    if could_be_number_or_time(digits) {
        return Err("a number or a time in some versions of YAML");
    }
    Ok(NodeKind::Text(text.to_owned()))
}

fn is_decimal_int(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

/// Octal, hexadecimal, exponents, grouped digits, sexagesimals, dates and infinities: their characters, so rather
/// too much than too little.
fn could_be_number_or_time(text: &str) -> bool {
    let tail = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let units = tail.len() <= 2 && tail.bytes().all(|b| b.is_ascii_alphabetic());
    let exponent = tail.starts_with(['e', 'E']) && tail.len() == 1;
    if units && !exponent && !tail.is_empty() && !text.starts_with('0') {
        return false; // 256Mi, 5m, 30d
    }
    text.bytes().all(|b| {
        b.is_ascii_hexdigit()
            || matches!(
                b,
                b'.' | b'_' | b'+' | b'-' | b':' | b'x' | b'o' | b'T' | b'Z' | b'i' | b'n'
            )
    })
}
