//! Ids of rows: 26 characters that sort by the time of their making.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A fresh id: 48 bits of `now_millis`, then 80 random bits, in lower-case Crockford base 32.
pub fn new(now_millis: i64) -> String {
    let mut random = [0_u8; 10];
    fill_random(&mut random);
    encode(now_millis, &random)
}

/// Fills `bytes` from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing here is safe to continue then.
pub fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

fn encode(now_millis: i64, random: &[u8; 10]) -> String {
    let mut wide = [0_u8; 16];
    wide[..6].copy_from_slice(&now_millis.to_be_bytes()[2..]);
    wide[6..].copy_from_slice(random);
    let mut bits = u128::from_be_bytes(wide);
    let mut text = [0_u8; 26];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[usize::from((bits & 31) as u8)];
        bits >>= 5;
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        assert!(encode(1_000, &[255; 10]) < encode(1_001, &[0; 10]));
        assert_eq!(encode(0, &[0; 10]).len(), 26);
    }

    #[test]
    fn ids_do_not_repeat() {
        assert_ne!(new(5), new(5));
    }
}
