//! Which store is used.

use crate::program::Program;

#[cfg(unix)]
#[test]
fn the_default_store_is_a_file_of_the_user_alone() {
    use std::os::unix::fs::MetadataExt as _;
    let program = Program::new();
    program.submit(&["add"]);
    let directory = program.home().join("towpath");
    assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
    assert!(directory.join("towpath.db").exists());
}

#[test]
fn the_flag_comes_before_the_variable_and_the_variable_before_the_default() {
    let program = Program::new();
    let url = |name: &str| format!("sqlite:{}", program.home().join(name).display());
    let (flag, variable) = (url("flag.db"), url("variable.db"));
    program.ok(&["submit", "add", "--id", "in-flag", "--store", &flag]);
    let output = program
        .command(&["submit", "add", "--id", "in-variable"])
        .env("TOWPATH_STORE", &variable)
        .output()
        .unwrap();
    assert!(output.status.success());
    program.ok(&["submit", "add", "--id", "in-default"]);

    let has = |id: &str, flag: Option<&str>| {
        let mut command = program.command(&["status", id]);
        command.env("TOWPATH_STORE", &variable);
        if let Some(flag) = flag {
            command.args(["--store", flag]);
        }
        command.output().unwrap().status.success()
    };
    assert!(has("in-flag", Some(&flag)) && !has("in-flag", None));
    assert!(has("in-variable", None) && !has("in-variable", Some(&flag)));
    assert!(!has("in-default", None));
    program.ok(&["status", "in-default"]);
}

#[test]
fn namespaces_of_one_file_do_not_see_each_other() {
    let program = Program::new();
    let url = |namespace: &str| {
        format!(
            "sqlite:{}?namespace={namespace}",
            program.home().join("n.db").display()
        )
    };
    program.ok(&["--store", &url("a"), "submit", "add", "--id", "one"]);
    program.ok(&["--store", &url("a"), "status", "one"]);
    assert_eq!(
        program.run(&["--store", &url("b"), "status", "one"]).code,
        3
    );
}
