//! Which names a person takes for the same.
//!
//! Not the whole of Unicode's confusables: the letters of other alphabets that fonts draw like Latin ones, what is not
//! drawn at all, and the digits that pass for letters. Whatever is missed here is still told as an added file.

use unicode_normalization::UnicodeNormalization;

/// Letters of other alphabets with the Latin letter that each is drawn like, sorted.
const DRAWN_ALIKE: [(char, char); 61] = [
    ('\u{131}', 'i'),
    ('\u{251}', 'a'),
    ('\u{261}', 'g'),
    ('\u{269}', 'i'),
    ('\u{3b1}', 'a'),
    ('\u{3b2}', 'b'),
    ('\u{3b3}', 'y'),
    ('\u{3b5}', 'e'),
    ('\u{3b7}', 'n'),
    ('\u{3b9}', 'i'),
    ('\u{3ba}', 'k'),
    ('\u{3bd}', 'v'),
    ('\u{3bf}', 'o'),
    ('\u{3c1}', 'p'),
    ('\u{3c3}', 'o'),
    ('\u{3c4}', 't'),
    ('\u{3c5}', 'u'),
    ('\u{3c7}', 'x'),
    ('\u{3c9}', 'w'),
    ('\u{3f2}', 'c'),
    ('\u{3f3}', 'j'),
    ('\u{430}', 'a'),
    ('\u{432}', 'b'),
    ('\u{433}', 'r'),
    ('\u{435}', 'e'),
    ('\u{438}', 'n'),
    ('\u{43a}', 'k'),
    ('\u{43c}', 'm'),
    ('\u{43d}', 'h'),
    ('\u{43e}', 'o'),
    ('\u{43f}', 'n'),
    ('\u{440}', 'p'),
    ('\u{441}', 'c'),
    ('\u{442}', 't'),
    ('\u{443}', 'y'),
    ('\u{445}', 'x'),
    ('\u{448}', 'w'),
    ('\u{449}', 'w'),
    ('\u{44c}', 'b'),
    ('\u{455}', 's'),
    ('\u{456}', 'i'),
    ('\u{458}', 'j'),
    ('\u{475}', 'v'),
    ('\u{4bb}', 'h'),
    ('\u{4cf}', 'l'),
    ('\u{501}', 'd'),
    ('\u{51b}', 'q'),
    ('\u{51d}', 'w'),
    ('\u{566}', 'q'),
    ('\u{570}', 'h'),
    ('\u{578}', 'n'),
    ('\u{57d}', 'u'),
    ('\u{581}', 'g'),
    ('\u{584}', 'p'),
    ('\u{585}', 'o'),
    ('\u{1d04}', 'c'),
    ('\u{1d0f}', 'o'),
    ('\u{1d1c}', 'u'),
    ('\u{1d20}', 'v'),
    ('\u{1d21}', 'w'),
    ('\u{1d22}', 'z'),
];

/// Whether a character is drawn as nothing, or changes only the direction of others.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(
        u32::from(character),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xE0000..=0xE0FFF
    )
}

/// What is left of a name where everything that looks alike is the same.
pub(super) fn skeleton(name: &str) -> String {
    let mut drawn = String::new();
    for character in name.chars().filter(|c| !is_invisible(*c)).nfkc() {
        drawn.extend(character.to_lowercase().map(latin));
    }
    // A capital I passes for a small l, and so does a one.
    drawn.replace(['i', '1', '|'], "l").replace('0', "o").replace("rn", "m").replace("vv", "w")
}

/// Whether two names are the same but for the case of letters or the form in which accents are written.
pub(super) fn is_same_but_for_spelling(one: &str, other: &str) -> bool {
    let spelled = |name: &str| name.nfkc().flat_map(char::to_lowercase).collect::<String>();
    spelled(one) == spelled(other)
}

fn latin(character: char) -> char {
    let found = DRAWN_ALIKE.binary_search_by_key(&character, |(foreign, _)| *foreign);
    found.map_or(character, |index| DRAWN_ALIKE[index].1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_foreign_letters_are_sorted_and_lower_case() {
        assert!(DRAWN_ALIKE.is_sorted_by(|one, next| one.0 < next.0));
        for (foreign, latin) in DRAWN_ALIKE {
            assert!(!foreign.is_ascii() && latin.is_ascii_lowercase(), "{foreign}");
            assert!(foreign.to_lowercase().eq([foreign]), "{foreign}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for name in [
            "m\u{430}in.tf",
            "main\u{200b}.tf",
            "\u{202e}main.tf",
            "ｍain.tf",
            "rnain.tf",
            "ma\u{456}n.tf",
            "MAIN.tf",
        ] {
            assert_eq!(skeleton(name), skeleton("main.tf"), "{name}");
        }
        assert_eq!(skeleton("pass1.tf"), skeleton("passl.tf"));
        assert_ne!(skeleton("mein.tf"), skeleton("main.tf"));
    }

    #[test]
    fn case_and_accents_are_spelling() {
        assert!(is_same_but_for_spelling("main.tf", "Main.tf"));
        assert!(is_same_but_for_spelling("caf\u{e9}.tf", "cafe\u{301}.tf"));
        assert!(!is_same_but_for_spelling("main.tf", "m\u{430}in.tf"));
    }

    proptest! {
        #[test]
        fn any_name_has_a_skeleton(name in ".{0,40}") {
            let _ = skeleton(&name);
        }
    }
}
