//! `tests_fuzz::head` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests_fuzz::head(data));
