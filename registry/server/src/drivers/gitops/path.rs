//! Names that git, file systems and messages all read the same way.

/// Longest path that is written, in bytes.
const MAX_PATH: usize = 1024;
/// Longest component that common file systems hold, in bytes.
const MAX_COMPONENT: usize = 255;

/// Says why `path` may not be written, or nothing if it may.
pub(super) fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > MAX_PATH {
        return Some("it is longer than 1024 bytes");
    }
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    if path.contains('\\') {
        return Some("it holds a backslash");
    }
    if path.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    path.split('/').find_map(component_problem)
}

fn component_problem(component: &str) -> Option<&'static str> {
    match component {
        "" => Some("it has an empty component"),
        "." | ".." => Some("it has a `.` or `..` component"),
        _ if component.len() > MAX_COMPONENT => Some("a component is longer than 255 bytes"),
        _ if is_git_directory(component) => {
            Some("a component is git's own directory on some file system")
        }
        _ => None,
    }
}

/// `.git`, and what macOS (ignorable characters) and Windows (short names, streams, trailing dots
/// and spaces) would open as `.git`.
fn is_git_directory(component: &str) -> bool {
    let visible: String = component.chars().filter(char::is_ascii).collect();
    let name = visible.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1")
}

/// The rules of `git check-ref-format --branch`, a little stricter.
pub(super) fn is_branch_name(name: &str) -> bool {
    let part_ok = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !has_suffix(part, ".lock")
    };
    name.len() <= 200
        && !name.starts_with('-')
        && !name.starts_with("refs/")
        && name != "HEAD"
        && !name.contains("..")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/+#=".contains(&b))
        && name.split('/').all(part_ok)
}

fn has_suffix(text: &str, suffix: &str) -> bool {
    text.len() >= suffix.len()
        && text.as_bytes()[text.len() - suffix.len()..].eq_ignore_ascii_case(suffix.as_bytes())
}

/// Whether `path` is `directory` or lies under it.
pub(super) fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The directories above `path`, outermost first.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_leave_the_tree_or_enter_git_are_refused() {
        for path in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            ".git/config",
            "a/.GIT/hooks/x",
            "a/.g\u{200c}it/x",
            "GIT~1/x",
            ".git /x",
            ".git...",
            ".git::$INDEX_ALLOCATION/x",
            "a\\..\\b",
            "a\0b",
            "a\nb",
        ] {
            assert!(path_problem(path).is_some(), "{path:?}");
        }
        assert!(path_problem(&"a/".repeat(600)).is_some());
        for path in ["a", "staging/service/checkout/10-deployment.yaml", ".gitignore", "ü/\"q\".x"]
        {
            assert_eq!(path_problem(path), None, "{path:?}");
        }
    }

    #[test]
    fn branch_names_follow_gits_rules() {
        for name in ["main", "env/staging-1", "release+1"] {
            assert!(is_branch_name(name), "{name:?}");
        }
        for name in
            ["", "-f", "a..b", "a/.b", "a.lock", "a/", "/a", "a b", "a:b", "@{u}", "refs/heads/x"]
        {
            assert!(!is_branch_name(name), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in ".*") {
            let accepted = path_problem(&text).is_none();
            let has_dots = text.split('/').any(|part| part == "..");
            prop_assert!(!(accepted && (has_dots || text.starts_with('/'))));
            is_branch_name(&text);
        }
    }
}
