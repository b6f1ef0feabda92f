#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nats_conn_tests::try_driver::connection(data);
});
