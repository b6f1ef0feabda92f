//! Bytes on their way out: what is copied, what is kept, and where each frame lies.

use bytes::{Buf, Bytes};
use nats_proto::{ClientOp, Frame, Payload, SHARED_MIN, Subject, TransmitBuf, WireSink};
use proptest::prelude::*;

fn all<T: Copy>(buffer: &TransmitBuf<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in buffer.frames() {
        let mut one = TransmitBuf::new();
        buffer.copy_frame(frame, &mut one);
        bytes.extend(one.chunks().flatten());
    }
    bytes
}

fn unsent<T: Copy>(buffer: &TransmitBuf<T>) -> Vec<u8> {
    buffer.chunks().flatten().copied().collect()
}

#[test]
fn an_empty_buffer() {
    let mut buffer = TransmitBuf::<u8>::default();
    assert_eq!(
        (
            buffer.len(),
            buffer.sent(),
            buffer.remaining(),
            buffer.frame_count()
        ),
        (0, 0, 0, 0)
    );
    assert!(buffer.is_empty() && !buffer.has_remaining());
    buffer.end_frame(1);
    assert_eq!(
        (
            buffer.frames().len(),
            buffer.last_frame(),
            buffer.last_tag(),
            buffer.cut_frame()
        ),
        (0, None, None, None)
    );
    buffer.advance(10);
    assert_eq!(
        (buffer.sent(), buffer.chunk(), buffer.chunks().count()),
        (0, &b""[..], 0)
    );
}

#[test]
fn frames_lie_one_after_the_other() {
    let mut buffer = TransmitBuf::with_capacity(100);
    assert!(buffer.capacity() >= 100);
    buffer.put_slice(b"one");
    assert!(!buffer.is_empty());
    buffer.put_slice(b"!");
    buffer.end_frame('a');
    buffer.end_frame('x');
    buffer.put_slice(b"two");
    buffer.end_frame('b');
    buffer.put_slice(b"open");
    let frames: Vec<(usize, usize, char)> = buffer
        .frames()
        .map(|Frame { start, end, tag, .. }| (start, end, tag))
        .collect();
    assert_eq!(frames, [(0, 4, 'a'), (4, 7, 'b')]);
    assert_eq!(
        (buffer.len(), buffer.frame_count(), buffer.frames().len()),
        (11, 2, 2)
    );
    assert_eq!(
        (buffer.last_tag(), buffer.last_frame().map(|frame| frame.start)),
        (Some('b'), Some(4))
    );
    assert_eq!(all(&buffer), b"one!two");
    assert_eq!(unsent(&buffer), b"one!twoopen");
    let heads: Vec<&[u8]> = buffer.frames().map(|frame| buffer.frame_head(frame)).collect();
    assert_eq!(heads, [&b"one!"[..], b"two"]);
}

#[test]
fn what_was_sent_distinguishes_whole_frames_from_the_one_that_was_cut() {
    let mut buffer = TransmitBuf::new();
    for tag in 0..3 {
        buffer.put_slice(b"1234");
        buffer.end_frame(tag);
    }
    let mut states = Vec::new();
    loop {
        let whole = buffer.frames().filter(|frame| frame.end <= buffer.sent()).count();
        states.push((buffer.sent(), whole, buffer.cut_frame().map(|frame| frame.tag)));
        if !buffer.has_remaining() {
            break;
        }
        buffer.advance(2);
    }
    let expected = [
        (0, 0, None),
        (2, 0, Some(0)),
        (4, 1, None),
        (6, 1, Some(1)),
        (8, 2, None),
        (10, 2, Some(2)),
        (12, 3, None),
    ];
    assert_eq!(states, expected);
    assert_eq!(all(&buffer), b"123412341234");
}

#[test]
fn shared_payloads_are_kept_from_4_kib_on() {
    assert_eq!(SHARED_MIN, 4096);
    for (len, pieces) in [(4095, 1), (4096, 3), (10_000, 3)] {
        let payload = Bytes::from(vec![b'x'; len]);
        let subject = Subject::from_static("a");
        let mut buffer = TransmitBuf::new();
        let publish = |payload| ClientOp::Publish {
            subject: (&subject).into(),
            reply: None,
            headers: None,
            payload,
        };
        publish(Payload::Shared(payload.clone()))
            .encode(&mut buffer)
            .unwrap();
        buffer.end_frame(());
        assert_eq!(buffer.chunks().count(), pieces, "{len}");
        let kept = buffer.chunks().any(|chunk| chunk.as_ptr() == payload.as_ptr());
        assert_eq!(kept, pieces == 3, "{len}");
        let head = buffer.frame_head(buffer.last_frame().unwrap());
        assert!(head.starts_with(format!("PUB a {len}\r\n").as_bytes()));
        assert_eq!(head.len() == buffer.len(), pieces == 1);

        // A borrowed one is copied whatever its size.
        let mut copied = TransmitBuf::new();
        publish(Payload::Borrowed(&payload)).encode(&mut copied).unwrap();
        copied.end_frame(());
        assert_eq!(copied.chunks().count(), 1);
        assert_eq!(all(&copied), all(&buffer));

        // A copy of the frame shares the payload.
        let mut other = TransmitBuf::new();
        other.put_slice(b"before");
        other.end_frame(());
        buffer.copy_frame(buffer.last_frame().unwrap(), &mut other);
        assert_eq!(
            other.chunks().any(|chunk| chunk.as_ptr() == payload.as_ptr()),
            kept
        );
        assert_eq!((other.frame_count(), other.last_frame().unwrap().start), (2, 6));
        assert_eq!(all(&other), [b"before", &all(&buffer)[..]].concat());
    }
}

#[test]
fn clear_forgets_everything_and_keeps_the_capacity() {
    let mut buffer = TransmitBuf::new();
    buffer.put_slice(&[1; 1000]);
    buffer.put_shared(Bytes::from(vec![2; 5000]));
    buffer.end_frame(());
    buffer.advance(1500);
    let capacity = buffer.capacity();
    buffer.clear();
    assert_eq!(
        (
            buffer.len(),
            buffer.sent(),
            buffer.remaining(),
            buffer.frame_count()
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(
        (buffer.capacity(), buffer.cut_frame(), buffer.last_frame()),
        (capacity, None, None)
    );
    buffer.put_slice(b"anew");
    buffer.end_frame(());
    assert_eq!(all(&buffer), b"anew");
    assert_eq!(
        buffer.last_frame().map(|frame| (frame.start, frame.end)),
        Some((0, 4))
    );
    buffer.clear();
    buffer.shrink_to(10);
    assert!(buffer.capacity() < capacity);
}

#[test]
fn a_shared_buffer_is_the_same_memory_and_both_can_still_be_used() {
    let mut buffer = TransmitBuf::new();
    buffer.put_slice(b"one");
    buffer.end_frame(1);
    buffer.put_shared(Bytes::from(vec![b'x'; SHARED_MIN]));
    buffer.put_slice(b"two");
    buffer.end_frame(2);
    buffer.advance(2);
    let before = all(&buffer);
    let mut shared = buffer.share();
    assert_eq!(
        (shared.len(), shared.sent(), shared.frame_count()),
        (buffer.len(), 2, 2)
    );
    let addresses = |buffer: &TransmitBuf<i32>| buffer.chunks().map(<[u8]>::as_ptr).collect::<Vec<_>>();
    assert_eq!(addresses(&shared), addresses(&buffer));
    assert_eq!((all(&shared), all(&buffer)), (before.clone(), before.clone()));

    shared.put_slice(b"three");
    shared.end_frame(3);
    shared.advance(1);
    buffer.put_slice(b"four");
    buffer.end_frame(4);
    assert_eq!(all(&shared), [&before[..], b"three"].concat());
    assert_eq!(all(&buffer), [&before[..], b"four"].concat());
    assert_eq!((shared.sent(), buffer.sent()), (3, 2));
    assert_eq!(unsent(&buffer), [&before[2..], b"four"].concat());

    // Sharing again, with and without something new.
    let again = buffer.share();
    assert_eq!(addresses(&again), addresses(&buffer));
    let address = addresses(&again);
    assert_eq!(addresses(&buffer.share()), address);
    assert_eq!(all(&again), all(&buffer));
    buffer.put_slice(b"five");
    buffer.end_frame(5);
    assert_eq!(all(&buffer), [&before[..], b"fourfive"].concat());
    buffer.clear();
    assert!(buffer.is_empty());
    buffer.put_slice(b"x");
    assert_eq!(
        (unsent(&buffer), all(&again)),
        (b"x".to_vec(), [&before[..], b"four"].concat())
    );
}

#[test]
fn debug_shows_lengths_only() {
    let mut buffer = TransmitBuf::new();
    buffer.put_slice(b"CONNECT {\"pass\":\"hunter2\"}\r\n");
    buffer.put_shared(Bytes::from(vec![b'x'; SHARED_MIN]));
    buffer.end_frame("hunter2");
    buffer.advance(5);
    let shown = format!("{buffer:?}");
    assert_eq!(shown, "TransmitBuf { len: 4124, sent: 5, frames: 1, shared: 1 }");
}

#[test]
#[cfg(feature = "std")]
fn chunks_are_given_to_a_vectored_write() {
    let mut buffer = TransmitBuf::<()>::new();
    buffer.put_slice(b"one");
    buffer.put_shared(Bytes::from(vec![b'x'; SHARED_MIN]));
    buffer.put_slice(b"two");
    for room in 0..5 {
        let mut slices = vec![std::io::IoSlice::new(&[]); room];
        assert_eq!(buffer.chunks_vectored(&mut slices), room.min(3));
        let lengths: Vec<usize> = slices.iter().map(|slice| slice.len()).collect();
        assert_eq!(lengths[..room.min(3)], [3, SHARED_MIN, 3][..room.min(3)]);
    }
}

/// What can be done to a buffer.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>),
    PutShared(usize, u8),
    End(u8),
    Advance(usize),
    Share,
    KeepShared,
    Clear,
    Reserve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Put),
        3 => (prop::sample::select(vec![0, 10, SHARED_MIN - 1, SHARED_MIN, SHARED_MIN + 1]), any::<u8>()).prop_map(|(len, byte)| Step::PutShared(len, byte)),
        4 => any::<u8>().prop_map(Step::End),
        4 => prop_oneof![0..20_usize, 0..9000_usize].prop_map(Step::Advance),
        1 => Just(Step::Share),
        1 => Just(Step::KeepShared),
        1 => Just(Step::Clear),
        1 => (0..100_usize).prop_map(Step::Reserve),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_one_flat_vector_with_a_cursor(steps in prop::collection::vec(step(), 0..40)) {
        let mut buffer = TransmitBuf::new();
        let (mut bytes, mut sent, mut frames) = (Vec::new(), 0, Vec::new());
        for step in steps {
            match step {
                Step::Put(more) => {
                    buffer.put_slice(&more);
                    bytes.extend(more);
                }
                Step::PutShared(len, byte) => {
                    buffer.put_shared(Bytes::from(vec![byte; len]));
                    bytes.resize(bytes.len() + len, byte);
                }
                Step::End(tag) => {
                    let start = frames.last().map_or(0, |(_, end, _)| *end);
                    buffer.end_frame(tag);
                    if bytes.len() > start {
                        frames.push((start, bytes.len(), tag));
                    }
                }
                Step::Advance(count) => {
                    buffer.advance(count);
                    sent = (sent + count).min(bytes.len());
                }
                Step::Share => drop(buffer.share()),
                Step::KeepShared => buffer = buffer.share(),
                Step::Clear => {
                    buffer.clear();
                    bytes.clear();
                    frames.clear();
                    sent = 0;
                }
                Step::Reserve(room) => buffer.reserve(room),
            }
            prop_assert_eq!((buffer.len(), buffer.sent(), buffer.remaining()), (bytes.len(), sent, bytes.len() - sent));
            prop_assert!(buffer.chunks().all(|chunk| !chunk.is_empty()));
            prop_assert_eq!(buffer.chunk(), buffer.chunks().next().unwrap_or_default());
            prop_assert_eq!(unsent(&buffer), &bytes[sent..]);
            let seen: Vec<_> = buffer.frames().map(|frame| (frame.start, frame.end, frame.tag)).collect();
            prop_assert_eq!(&seen, &frames);
            for frame in buffer.frames() {
                let mut copy = TransmitBuf::new();
                buffer.copy_frame(frame, &mut copy);
                prop_assert_eq!(unsent(&copy), &bytes[frame.start..frame.end]);
                prop_assert_eq!(copy.last_tag(), Some(frame.tag));
                prop_assert!(bytes[frame.start..frame.end].starts_with(buffer.frame_head(frame)));
            }
            let cut = frames.iter().find(|(start, end, _)| *start < sent && sent < *end);
            prop_assert_eq!(buffer.cut_frame().map(|frame| (frame.start, frame.end, frame.tag)), cut.copied());
        }
    }
}
