//! Recordings that an application makes of its connection.

use std::io::{self, Write};
use std::sync::Mutex;

use nats_conn_client::RecordingOptions;

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("recorded.orders");
const PAYLOAD: &str = "card number 4711";

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn contains(&self, text: &str) -> bool {
        let bytes = self.0.lock().expect("nobody panics");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

scenarios! {
    async fn a_recording_has_payloads_only_where_record_with_asked_for_them(adapter) {
        let mut with_payloads = RecordingOptions::default();
        with_payloads.payloads = true;
        for (recording, shows) in [(RecordingOptions::default(), false), (with_payloads, true)] {
            let (cluster, kept) = (Model::start(1), Kept::default());
            let options = options(&cluster.urls()).record_with(kept.clone(), recording);
            let client = soon(adapter.connect(options)).await.expect("a server");
            let mut own = client.subscribe(&SUBJECT).expect("open");
            soon(client.publish(&SUBJECT, PAYLOAD)).await.expect("room");
            assert_eq!(message(&mut own).await.payload(), PAYLOAD.as_bytes());
            soon(client.close()).await;
            until(|| kept.contains(SUBJECT.as_str())).await;
            assert_eq!(kept.contains(PAYLOAD), shows);
        }
    }
}
