//! Bytes that nobody meant well with: cut off, changed, made up, or dealt out in crumbs.

mod common;

use common::fuzz::checks;
use common::golden::{self, Golden};
use mqtt_proto::{Frame, Framer, PacketType, Role, Version, choices};
use proptest::prelude::{ProptestConfig, any};
use proptest::{collection, proptest};

#[test]
fn a_packet_that_is_cut_off_needs_more_and_is_none() {
    for Golden { version, sender, bytes, .. } in golden::set() {
        let receiver = common::codec(version, sender.peer());
        for end in 0..bytes.len() {
            let mut input = &bytes[..end];
            assert_eq!(receiver.decode(&mut input), Ok(None), "{:x?}", &bytes[..end]);
            assert_eq!(input.len(), end, "something was taken");
        }
    }
}

/// The same with a Remaining Length that says so: then it is no unfinished packet but a bad one, or one with less in it.
#[test]
fn a_packet_that_is_too_short_is_refused_or_says_less() {
    for Golden { version, sender, mut bytes, packet } in golden::set() {
        let receiver = common::codec(version, sender.peer());
        while bytes[1] > 0 {
            bytes.pop();
            bytes[1] -= 1;
            if let Some(shorter) = checks::decode_one(receiver, &mut &bytes[..]) {
                assert_ne!(shorter, packet, "{bytes:x?}");
            }
        }
    }
}

#[test]
fn a_packet_with_one_byte_changed_is_refused_or_comes_back() {
    for Golden { version, sender, bytes, .. } in golden::set() {
        let receiver = common::codec(version, sender.peer());
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            for byte in 0..=0xFF {
                changed[index] = byte;
                checks::decode_one(receiver, &mut &changed[..]);
            }
        }
    }
}

#[test]
fn a_packet_with_one_byte_more_or_less_is_refused_or_comes_back() {
    for Golden { version, sender, bytes, .. } in golden::set() {
        let receiver = common::codec(version, sender.peer());
        for index in 2..=bytes.len() {
            let mut more = bytes.clone();
            more[1] += 1;
            more.insert(index, 0);
            for byte in [0x00, 0x01, 0x26, 0x7F, 0x80, 0xFF] {
                more[index] = byte;
                checks::decode_one(receiver, &mut &more[..]);
            }
        }
        for index in 2..bytes.len() {
            let mut less = bytes.clone();
            less[1] -= 1;
            less.remove(index);
            checks::decode_one(receiver, &mut &less[..]);
        }
    }
}

/// All of them; so each end in each version has its whole list of packets that are no longer.
#[test]
fn of_all_strings_of_up_to_three_bytes_these_are_packets() {
    let mut complete = Vec::new();
    for length in 0..=3_u32 {
        for number in 0..1_u32 << (8 * length) {
            let bytes = &number.to_be_bytes()[4 - length as usize..];
            // Framing asks neither for the version nor for the end, so it is enough to do it once.
            let mut input = bytes;
            match Frame::split(&mut input, 1024) {
                Ok(Some(frame)) if input.is_empty() => complete.push(frame.as_bytes().to_vec()),
                Ok(Some(frame)) => assert_eq!(frame.as_bytes().len() + input.len(), bytes.len()),
                Ok(None) => assert_eq!(input, bytes),
                Err(error) => assert!((error.offset() as usize) < bytes.len()),
            }
        }
    }
    // A known type, and a Remaining Length of 0, or of 1 with any byte behind it.
    assert_eq!(complete.len(), 15 * 16 + 15 * 16 * 256);

    for codec in common::codecs() {
        let taken: Vec<_> =
            complete.iter().filter(|bytes| checks::decode_one(codec, &mut &bytes[..]).is_some()).cloned().collect();
        let sender = codec.role.peer();
        let first_bytes: &[u8] = match sender {
            Role::Client => &[0xC0, 0xE0],
            Role::Server if codec.version.server_may_disconnect() => &[0xD0, 0xE0],
            Role::Server => &[0xD0],
        };
        // 3.1 does not say what its reserved flags must be.
        let flags = if codec.version.reserved_bits_are_checked() { 0 } else { 15 };
        let with_flags = |&first: &u8| (0..=flags).map(move |flags| vec![first | flags, 0]);
        let mut expected: Vec<_> = first_bytes.iter().flat_map(with_flags).collect();
        if codec.version.acks_carry_reason() {
            let codes = choices::reason_codes(PacketType::Disconnect, sender, codec.version);
            expected.extend(codes.iter().map(|&code| vec![0xE0, 1, code]));
        }
        assert_eq!(taken, expected, "from a {sender:?} in {}", codec.version);
    }
}

#[test]
fn a_stream_in_pieces_of_any_one_size_holds_the_same_packets() {
    for version in Version::ALL {
        let set = golden::set();
        let stream: Vec<u8> =
            set.iter().filter(|golden| golden.version == version).flat_map(|golden| golden.bytes.clone()).collect();
        for step in 0..=0xFF {
            checks::chunks(&[&[step], &stream[..]].concat());
        }
    }
}

#[test]
fn what_is_missing_is_known_from_the_header_on_and_forgotten_with_the_packet() {
    let packet = [&[0x30, 0x83, 0x01, 0x00, 0x01, b'a'][..], &[7; 128]].concat();
    let mut framer = Framer::new(134);
    for held in 0..packet.len() {
        assert_eq!(framer.next(&mut &packet[..held]), Ok(None));
        let missing = if held < 3 { 1 } else { packet.len() - held };
        assert_eq!(framer.missing(held), missing, "behind {held} bytes");
    }
    assert_eq!(framer.next(&mut &packet[..]).unwrap().unwrap().as_bytes(), packet);
    assert_eq!(framer.missing(0), 1);
    let shorter = framer.next(&mut &[0xC0, 0][..]).unwrap().unwrap();
    assert_eq!(shorter.packet_type(), PacketType::PingReq);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Packets with a well-formed header and anything in them, of up to and above the framer's limit, and rubbish at last.
    #[test]
    fn a_stream_in_pieces_ends_as_the_whole_does(
        step in any::<u8>(),
        bodies in collection::vec((0x10_u8..=0xFF, collection::vec(any::<u8>(), 0..310)), 0..6),
        rubbish in collection::vec(any::<u8>(), 0..6),
    ) {
        let mut input = vec![step];
        for (first, body) in bodies {
            input.push(first);
            match u8::try_from(body.len()) {
                Ok(short @ ..=0x7F) => input.push(short),
                _ => input.extend([(body.len() % 128 + 128) as u8, (body.len() / 128) as u8]),
            }
            input.extend(body);
        }
        input.extend(rubbish);
        checks::chunks(&input);
    }

    #[test]
    fn a_stream_of_rubbish_is_refused_or_comes_back(bytes in collection::vec(any::<u8>(), 0..64)) {
        checks::decode(&bytes);
    }
}
