//! What `#[towpath::task]` accepts and what it refuses, as whole programs.
//!
//! They are here and not beside the other tests of the macro, because they build the library once more: with
//! the features that a test asks for, and here that is the macro alone.

/// Refused programs are compared with our own words alone: those of the compiler, as for a type that
/// serde does not know, change with its version.
#[test]
fn accepted_programs_run_and_refused_ones_say_why() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
