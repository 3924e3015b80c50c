//! `tests_fuzz::paste` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests_fuzz::paste::paste(data));
