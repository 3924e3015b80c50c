//! `tests_fuzz::body` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests_fuzz::body(data));
