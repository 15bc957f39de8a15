use std::fs;

use tempfile::TempDir;

use super::*;

/// A configuration with files, and what Terraform recorded about it.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.root()).unwrap();
        for file in files {
            let path = folder.root().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// Reads with these records: key, source, version, folder.
    fn read(&self, records: &[[&str; 4]]) -> Vec<Package> {
        self.try_read(records).unwrap()
    }

    fn try_read(&self, records: &[[&str; 4]]) -> Result<Vec<Package>, InstalledError> {
        let record = |[key, source, version, dir]: &[&str; 4]| {
            format!(r#"{{"Key":"{key}","Source":"{source}","Version":"{version}","Dir":"{dir}"}}"#)
        };
        let records: Vec<String> = records.iter().map(record).collect();
        let modules = self.root().join(".terraform/modules");
        fs::create_dir_all(&modules).unwrap();
        let text = format!(r#"{{"Modules":[{}]}}"#, records.join(","));
        fs::write(modules.join("modules.json"), text).unwrap();
        read(&self.root(), Path::new(DATA_DIR))
    }
}

const VPC: &str = "registry.example.com/acme/vpc/aws";

fn code(package: &Package) -> &'static str {
    package.problem.as_ref().map_or("", PackageProblem::code)
}

#[test]
fn where_nothing_is_installed_there_are_no_packages() {
    let folder = Folder::new(&["main.tf"]);

    assert_eq!(read(&folder.root(), Path::new(DATA_DIR)).unwrap(), []);
}

#[test]
fn packages_are_told_from_the_folders_within_them() {
    let modules = ".terraform/modules";
    let folder = Folder::new(&[
        "mods/child/main.tf",
        ".terraform/modules/vpc/sub/main.tf",
        ".terraform/modules/vpc.leaf/main.tf",
        ".terraform/modules/part/sub/in/main.tf",
        ".terraform/modules/git/x/main.tf",
        "../outside/deep/main.tf",
    ]);

    let packages = folder.read(&[
        ["", "", "", "."],
        ["child", "./mods/child", "", "mods/child"],
        ["git", "git::https://git.example/x//x?ref=v1", "", &format!("{modules}/git/x")],
        ["part", &format!("{VPC}//sub"), "1.2.0", &format!("{modules}/part/sub")],
        ["part.in", "./in", "", &format!("{modules}/part/sub/in")],
        ["part.up", "../", "", &format!("{modules}/part")],
        ["up", "../outside", "", "../outside"],
        ["up.deep", "./deep", "", "../outside/deep"],
        ["vpc", VPC, "1.2.0", &format!("{modules}/vpc")],
        ["vpc.leaf", "registry.example.com/acme/leaf/aws", "1.0.0", &format!("{modules}/vpc.leaf")],
        ["vpc.s", "./sub", "", &format!("{modules}/vpc/sub")],
    ]);

    let shown: Vec<_> = packages
        .iter()
        .map(|package| (package.call.as_str(), package.source.to_string(), code(package)))
        .collect();
    assert_eq!(
        shown,
        [
            ("module.git", "git::https://git.example/x//x?ref=v1".to_owned(), ""),
            ("module.part", format!("{VPC}//sub"), ""),
            ("module.up", "../outside".to_owned(), ""),
            ("module.vpc", VPC.to_owned(), ""),
            ("module.vpc.module.leaf", "registry.example.com/acme/leaf/aws".to_owned(), ""),
        ]
    );
    assert_eq!(packages[1].directory, folder.root().join(".terraform/modules/part"));
    assert_eq!(packages[1].version, Some(Version::new(1, 2, 0)));
}

#[test]
fn what_tests_install_is_found_below_their_runs() {
    let folder = Folder::new(&[
        "tests/setup/main.tf",
        ".terraform/modules/test.tests.a.b.reg/main.tf",
        ".terraform/modules/test.tests.a.b.reg.n/main.tf",
    ]);

    let packages = folder.read(&[
        ["", "", "", "."],
        ["test.tests.a.b.setup", "./tests/setup", "", "tests/setup"],
        ["test.tests.a.b.reg", VPC, "1.0.0", ".terraform/modules/test.tests.a.b.reg"],
        ["test.tests.a.b.reg.n", VPC, "1.0.0", ".terraform/modules/test.tests.a.b.reg.n"],
    ]);

    let calls: Vec<_> = packages.iter().map(|package| package.call.as_str()).collect();
    assert_eq!(calls, ["test.tests.a.b.reg", "test.tests.a.b.reg.module.n"]);
    assert!(packages.iter().all(|package| package.problem.is_none()), "{packages:?}");
}

#[test]
fn the_data_folder_may_be_anywhere() {
    let folder = Folder::new(&["main.tf", "../data/modules/vpc/main.tf"]);
    let data = folder.root().join("../data");
    for (given, dir) in [
        (PathBuf::from("../data"), "../data/modules/vpc".to_owned()),
        (data.clone(), format!("{}/modules/vpc", data.display())),
        (
            fs::canonicalize(&data).unwrap(),
            format!("{}/modules/vpc", fs::canonicalize(&data).unwrap().display()),
        ),
    ] {
        let text = format!(
            r#"{{"Modules":[{{"Key":"vpc","Source":"{VPC}","Version":"1.0.0","Dir":"{dir}"}}]}}"#
        );
        fs::write(data.join("modules/modules.json"), text).unwrap();

        let packages = read(&folder.root(), &given).unwrap();

        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].problem, None, "{given:?}");
    }
}

#[test]
fn a_folder_that_terraform_would_not_have_chosen_is_found_out() {
    let folder = Folder::new(&[
        ".terraform/modules/vpc/main.tf",
        ".terraform/modules/vpc/sub/main.tf",
        "own/main.tf",
        "../evil/main.tf",
    ]);
    let evil = folder.root().join("../evil");
    for (source, dir, expected) in [
        (VPC, "own", "module_elsewhere"),
        (VPC, "../evil", "module_elsewhere"),
        (VPC, &*evil.to_string_lossy(), "module_elsewhere"),
        (VPC, ".terraform/modules/vpc/sub", "module_elsewhere"),
        (VPC, ".terraform/modules/vpc/../../../own", "module_elsewhere"),
        (&format!("{VPC}//gone"), ".terraform/modules/vpc/gone", "module_missing"),
        (VPC, ".terraform/modules/vpc/sub/..", ""),
        ("git::https://git.example/x", "own", "module_elsewhere"),
    ] {
        let version = if source.starts_with("git") { "" } else { "1.0.0" };
        let packages = folder.read(&[["vpc", source, version, dir]]);
        assert_eq!(code(&packages[0]), expected, "{source} {dir}");
    }
    let gone = folder.read(&[["gone", VPC, "1.0.0", ".terraform/modules/gone"]]);
    assert_eq!(code(&gone[0]), "module_missing");
}

#[cfg(unix)]
#[test]
fn a_package_that_is_a_link_is_found_out() {
    let folder = Folder::new(&[".terraform/modules/x", "../evil/main.tf"]);
    let link = folder.root().join(".terraform/modules/vpc");
    std::os::unix::fs::symlink("../../../evil", link).unwrap();

    let packages = folder.read(&[["vpc", VPC, "1.0.0", ".terraform/modules/vpc"]]);

    assert_eq!(code(&packages[0]), "module_is_link");
}

#[test]
fn a_local_module_that_leaves_its_package_is_found_out() {
    let folder = Folder::new(&[
        ".terraform/modules/vpc/sub/main.tf",
        ".terraform/modules/vpc/other/main.tf",
        "../evil/main.tf",
    ]);
    for (source, dir, expected) in [
        ("./sub", ".terraform/modules/vpc/sub", ""),
        ("./sub", "../evil", "module_escapes"),
        ("../../../../evil", "../evil", "module_escapes"),
        ("./sub", ".terraform/modules/vpc/other", "module_elsewhere"),
        ("./gone", ".terraform/modules/vpc/gone", "module_missing"),
    ] {
        let packages = folder
            .read(&[["vpc", VPC, "1.0.0", ".terraform/modules/vpc"], ["vpc.sub", source, "", dir]]);
        assert_eq!(packages.len(), 1);
        assert_eq!(code(&packages[0]), expected, "{source} {dir}");
    }
}

#[test]
fn a_local_module_elsewhere_than_its_caller_says_is_found_out() {
    let folder =
        Folder::new(&["mods/a/main.tf", "mods/b/main.tf", ".terraform/modules/vpc/main.tf"]);

    let swapped = folder.read(&[["a", "./mods/a", "", "mods/b"]]);
    let fetched = folder.read(&[["a", "./.terraform/modules/vpc", "", ".terraform/modules/vpc"]]);

    assert_eq!(code(&swapped[0]), "module_elsewhere");
    assert!(matches!(fetched[0].source, ModuleSource::Local(_)), "{fetched:?}");
}

#[test]
fn versions_and_sources_must_fit() {
    let folder = Folder::new(&[".terraform/modules/vpc/main.tf"]);
    for (source, version, expected) in [
        (VPC, "", "version_invalid"),
        (VPC, "1.2", "version_invalid"),
        ("B\u{fc}cher.example/acme/vpc/aws", "1.0.0", "source_invalid"),
        ("git::https://git.example/x", "1.0.0", "source_invalid"),
    ] {
        let packages = folder.read(&[["vpc", source, version, ".terraform/modules/vpc"]]);
        assert_eq!(code(&packages[0]), expected, "{source} {version}");
    }
}

#[test]
fn a_file_that_is_about_another_configuration_is_refused() {
    let folder = Folder::new(&["../other/main.tf"]);

    let error = folder.try_read(&[["", "", "", "../other"]]).unwrap_err();

    assert!(matches!(error, InstalledError::OtherRoot { .. }), "{error}");
}

#[test]
fn paths_are_cleaned_as_terraform_writes_them() {
    for (path, expected) in [
        ("a/./b/../c", "a/c"),
        ("../a/..", ".."),
        ("/../a", "/a"),
        ("../../a", "../../a"),
        ("./a", "a"),
    ] {
        assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
    }
}
