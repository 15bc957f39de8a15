//! Reading a configuration's files: those of its folder, and those of the local modules that it calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::calls::{Calls, Local};
use super::configuration::Found;

/// Every golden path that the files in a folder use, and every module that they and their local modules call.
pub(super) fn read(directory: &Path) -> anyhow::Result<(Found, Calls)> {
    let (mut found, mut calls) = (Found::default(), Calls::default());
    let files = configuration_files(directory)?;
    if files.is_empty() {
        bail!("{} holds no *.tf file; name the folder of the configuration", directory.display());
    }
    for (name, text) in &files {
        if is_json(name) {
            calls.unclear.push(format!("{name}: configuration in JSON is not read"));
            continue;
        }
        found.read_file(name, text)?;
        calls.read_file("", name, text)?;
    }
    let mut folders: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    let mut next = 0;
    while let Some(Local { address, path }) = calls.locals.get(next).cloned() {
        next += 1;
        let above = address.rfind(".module.").map_or("", |end| &address[..end]);
        let caller = folders.get(above).map_or(directory, |folder| folder.as_path());
        let folder = caller.join(&path);
        let files = configuration_files(&folder)
            .with_context(|| format!("{address} is at {path}, which cannot be read"))?;
        for (name, text) in &files {
            let shown = format!("{}/{name}", path.trim_end_matches('/'));
            if is_json(name) {
                calls.unclear.push(format!("{shown}: configuration in JSON is not read"));
            } else {
                calls.read_file(&address, &shown, text)?;
            }
        }
        folders.insert(address, folder);
    }
    Ok((found, calls))
}

fn is_json(name: &str) -> bool {
    name.ends_with(".tf.json")
}

/// Every `*.tf` and `*.tf.json` of a folder, by name.
fn configuration_files(directory: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let shown = directory.display();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {shown}"))? {
        let path = entry.with_context(|| format!("cannot read {shown}"))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_configuration = is_json(&name) || path.extension().is_some_and(|end| end == "tf");
        if is_configuration && path.is_file() {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(name, text);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_configuration_is_refused() {
        let folder = tempfile::tempdir().unwrap();

        let error = read(folder.path()).unwrap_err();

        assert!(error.to_string().contains("no *.tf file"), "{error}");
    }

    #[test]
    fn local_modules_are_followed_from_their_callers_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("main.tf", "module \"a\" {\n  source = \"./a\"\n}\n");
        write("a/main.tf", "module \"b\" {\n  source = \"../b\"\n}\n");
        write("b/vpc.tf", "module \"vpc\" {\n  source = \"r.example/acme/vpc/aws\"\n}\n");
        write("b/x.tf.json", "{}");

        let (_, calls) = read(folder.path()).unwrap();

        let places: Vec<_> = calls.modules.iter().map(|call| call.place.as_str()).collect();
        assert_eq!(places, ["../b/vpc.tf:1 module.a.module.b.module.vpc"]);
        assert_eq!(calls.unclear, ["../b/x.tf.json: configuration in JSON is not read"]);
    }

    #[test]
    fn a_module_that_calls_itself_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.tf"), "module \"a\" {\n  source = \"./\"\n}\n").unwrap();

        let error = read(folder.path()).unwrap_err();

        assert!(error.to_string().contains("levels deep"), "{error}");
    }
}
