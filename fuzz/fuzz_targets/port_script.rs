//! What libFuzzer runs: see the module of this name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| overlapped_fuzz::port_script::run(data));
