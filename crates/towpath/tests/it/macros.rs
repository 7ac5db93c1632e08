//! `#[towpath::task]`: what it accepts and makes of it, and what it refuses.
//!
//! Refused programs are compared with our own words alone: those of the compiler, as for a type that
//! serde does not know, change with its version.

mod parameters;
mod payloads;
mod returned;
mod settings;

#[test]
fn accepted_programs_run_and_refused_ones_say_why() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
