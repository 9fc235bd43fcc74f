//! A server and a disk in memory, which fail as real ones do.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use llavacode_core::{config::ModelType, weights::sha256_hex};

use super::*;

const URL: &str = "https://example.org/models/small.gguf";

/// The beginning of a GGUF file of this architecture, and some bytes behind it.
fn gguf(architecture: &str, bytes: usize) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend(1u64.to_le_bytes());
    for text in ["general.architecture", architecture] {
        if text == architecture {
            file.extend(8u32.to_le_bytes());
        }
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    }
    let more = (file.len()..bytes).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>();
    file.extend(more);
    file
}

/// What the next request meets.
#[derive(Clone, Copy)]
enum Next {
    /// No answer.
    Unreachable,
    /// This status.
    Status(u16),
    /// Bytes up to this place in the file, then the connection is lost.
    LostAt(usize),
    /// A web page, as from a server that answers every path with one.
    Page,
    /// All that was asked for.
    Good,
}

struct Server {
    file: RefCell<Vec<u8>>,
    etag: RefCell<Option<&'static str>>,
    /// Whether it knows ranges.
    ranges: bool,
    /// Whether the page sees `Content-Range`.
    exposes_range: bool,
    says_length: bool,
    online: bool,
    script: RefCell<VecDeque<Next>>,
    /// Where each request began.
    asked: RefCell<Vec<u64>>,
    waited: Cell<Duration>,
    stopped: Cell<bool>,
}

impl Server {
    fn with(file: Vec<u8>, script: &[Next]) -> Self {
        Self {
            file: RefCell::new(file),
            etag: RefCell::new(Some("v1")),
            ranges: true,
            exposes_range: true,
            says_length: true,
            online: true,
            script: RefCell::new(script.iter().copied().collect()),
            asked: RefCell::default(),
            waited: Cell::default(),
            stopped: Cell::default(),
        }
    }
}

struct Bytes {
    left: VecDeque<Vec<u8>>,
    lost: bool,
}

impl Body for Bytes {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.left.pop_front() {
            None if self.lost => Err("network error".into()),
            next => Ok(next),
        }
    }
}

impl Host for Server {
    const FIRST_BYTES: usize = ModelType::FIRST_BYTES;

    type Body = Bytes;

    async fn get(&self, _: &str, from: u64) -> Result<Answer<Bytes>, String> {
        self.asked.borrow_mut().push(from);
        let file = self.file.borrow();
        let total = file.len() as u64;
        let next = self.script.borrow_mut().pop_front().unwrap_or(Next::Good);
        let nothing = |status| Answer {
            status,
            range: None,
            length: Some(0),
            etag: None,
            is_page: false,
            body: Bytes { left: VecDeque::new(), lost: false },
        };
        let end = match next {
            Next::Unreachable => return Err("Failed to fetch".into()),
            Next::Status(status) => return Ok(nothing(status)),
            Next::Page => return Ok(Answer { is_page: true, ..nothing(200) }),
            Next::LostAt(end) => end,
            Next::Good => file.len(),
        };
        if from > 0 && self.ranges && from >= total {
            return Ok(nothing(416));
        }
        let start = if self.ranges { from as usize } else { 0 };
        let left = file[start..end.max(start)].chunks(1000).map(<[u8]>::to_vec).collect();
        Ok(Answer {
            status: if start > 0 { 206 } else { 200 },
            range: (start > 0 && self.exposes_range).then_some((start as u64, total)),
            length: self.says_length.then_some(total - start as u64),
            etag: self.etag.borrow().map(str::to_owned),
            is_page: false,
            body: Bytes { left, lost: end < file.len() },
        })
    }

    fn is_online(&self) -> bool {
        self.online
    }

    async fn wait(&self, pause: Duration) {
        self.waited.set(self.waited.get() + pause);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    async fn recognise(&self, file: &str, first: &[u8]) -> Result<(), String> {
        ModelType::of_first_bytes(file, first).await.map(drop).map_err(|error| error.to_string())
    }
}

/// What outlives a try: the disk.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    record: Option<Record>,
    whole: bool,
    room: Option<usize>,
    says_room: bool,
}

impl Place for Rc<RefCell<Disk>> {
    async fn record(&self) -> Option<Record> {
        self.borrow().record.clone()
    }

    async fn set_record(&mut self, record: &Record) -> Result<(), Refused> {
        self.borrow_mut().record = Some(record.clone());
        Ok(())
    }

    async fn set_whole(&mut self) -> Result<(), Refused> {
        self.borrow_mut().whole = true;
        Ok(())
    }

    fn len(&self) -> Result<u64, Refused> {
        Ok(self.borrow().bytes.len() as u64)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Refused> {
        let mut disk = self.borrow_mut();
        assert_eq!(at, disk.bytes.len() as u64, "bytes are only appended");
        if disk.room.is_some_and(|room| disk.bytes.len() + bytes.len() > room) {
            return Err(Refused::Full);
        }
        disk.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, Refused> {
        Ok(self.borrow().bytes[at as usize..(at + length) as usize].to_vec())
    }

    async fn clear(&mut self) -> Result<(), Refused> {
        let mut disk = self.borrow_mut();
        disk.bytes.clear();
        (disk.record, disk.whole) = (None, false);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Refused> {
        Ok(())
    }

    async fn free(&self) -> Option<u64> {
        let disk = self.borrow();
        disk.room.filter(|_| disk.says_room).map(|room| (room - disk.bytes.len()) as u64)
    }
}

fn fetch(server: &Server, disk: &Rc<RefCell<Disk>>, sha256: Option<String>) -> Result<(), Fault> {
    let file = ModelFile { url: URL.into(), sha256 };
    let mut place = Rc::clone(disk);
    pollster::block_on(transfer(server, &mut place, &file, |_| ()))
}

/// Fetches and expects the whole file.
fn fetches(server: &Server, disk: &Rc<RefCell<Disk>>) {
    fetch(server, disk, None).expect("fetched");
    assert!(disk.borrow().whole);
    assert!(disk.borrow().bytes == *server.file.borrow(), "other bytes than the server's");
}

#[test]
fn a_file_comes_whole_and_its_hash_is_checked() {
    let file = gguf("llama", 200_000);
    let (server, disk) = (Server::with(file.clone(), &[]), Rc::default());
    fetch(&server, &disk, Some(sha256_hex(&file))).expect("fetched");
    assert!(disk.borrow().whole && disk.borrow().bytes == file);
    assert_eq!(disk.borrow().record.as_ref().and_then(|record| record.total), Some(200_000));
}

#[test]
fn a_lost_connection_is_gone_on_from_where_it_was_lost() {
    let script = [Next::LostAt(70_000), Next::Unreachable, Next::Status(503), Next::LostAt(150_000)];
    let (server, disk) = (Server::with(gguf("qwen2", 200_000), &script), Rc::default());
    fetches(&server, &disk);
    assert_eq!(*server.asked.borrow(), [0, 70_000, 70_000, 70_000, 150_000]);
    // 1 s after the first loss, 2 and 4 s while nothing comes, 1 s again after bytes came.
    assert_eq!(server.waited.get(), Duration::from_secs(8));
}

#[test]
fn a_closed_tab_is_gone_on_from_too_and_without_the_headers_another_origin_hides() {
    let (mut server, disk) = (Server::with(gguf("qwen2", 200_000), &[]), Rc::<RefCell<Disk>>::default());
    server.exposes_range = false;
    *server.etag.borrow_mut() = None;
    let file = server.file.borrow()[..123_457].to_vec();
    disk.borrow_mut().bytes = file;
    disk.borrow_mut().record = Some(Record { url: URL.into(), total: Some(200_000), etag: None });
    fetches(&server, &disk);
    assert_eq!(*server.asked.borrow(), [123_457]);
}

#[test]
fn what_cannot_be_gone_on_from_begins_anew() {
    let part = |url: &str, total, etag: &str, bytes| {
        let record = Record { url: url.into(), total: Some(total), etag: Some(etag.into()) };
        let bytes = gguf("qwen2", 200_000)[..bytes].to_vec();
        Rc::new(RefCell::new(Disk { bytes, record: Some(record), ..Disk::default() }))
    };
    let server = || Server::with(gguf("qwen2", 200_000), &[]);
    for (what, disk, ranges, asked) in [
        ("another version", part(URL, 200_000, "v0", 100_000), true, vec![100_000, 0]),
        ("another length", part(URL, 300_000, "v1", 100_000), true, vec![100_000, 0]),
        ("longer than the file", part(URL, 300_000, "v1", 200_000), true, vec![200_000, 0]),
        ("a server without ranges", part(URL, 200_000, "v1", 100_000), false, vec![100_000]),
        ("another file's", part("https://example.org/other.gguf", 200_000, "v1", 100_000), true, vec![0]),
    ] {
        let server = Server { ranges, ..server() };
        fetches(&server, &disk);
        assert_eq!(*server.asked.borrow(), asked, "{what}");
    }
}

#[test]
fn a_file_whose_length_nobody_says_is_whole_at_its_end() {
    let disk = Rc::<RefCell<Disk>>::default();
    let server = Server { says_length: false, ..Server::with(gguf("llama", 90_000), &[]) };
    fetches(&server, &disk);
    assert_eq!(disk.borrow().record.as_ref().and_then(|record| record.total), Some(90_000));
}

#[test]
fn a_refusal_is_a_sentence_and_what_came_before_stays() {
    let disk = Rc::<RefCell<Disk>>::default();
    let file = gguf("llama", 200_000);
    let lost = [Next::LostAt(80_000), Next::Status(404)];
    let fault = fetch(&Server::with(file.clone(), &lost), &disk, None).expect_err("404");
    assert!(fault.to_string().contains("404: there is no such file"), "{fault}");
    assert_eq!(disk.borrow().bytes.len(), 80_000);
    let fault = fetch(&Server::with(file.clone(), &[Next::Status(403)]), &disk, None).expect_err("403");
    assert!(fault.to_string().contains("may not be read"), "{fault}");
    assert_eq!(disk.borrow().bytes.len(), 80_000);
    let fault = fetch(&Server::with(file.clone(), &[Next::Page]), &disk, None).expect_err("a page");
    assert!(
        fault.to_string().starts_with("There is no file at https://example.org/models/small.gguf"),
        "{fault}"
    );
    assert_eq!(disk.borrow().bytes.len(), 80_000);
    fetches(&Server::with(file, &[]), &disk);
}

#[test]
fn no_answer_at_all_is_told_at_once_where_there_is_a_network() {
    let disk = Rc::<RefCell<Disk>>::default();
    let server = Server::with(gguf("llama", 1000), &[Next::Unreachable]);
    let fault = fetch(&server, &disk, None).expect_err("unreachable");
    assert!(fault.to_string().contains("CORS"), "{fault}");
    assert_eq!(server.waited.get(), Duration::ZERO);

    let offline = Server { online: false, ..Server::with(gguf("llama", 1000), &[Next::Unreachable; 7]) };
    let fault = fetch(&offline, &disk, None).expect_err("lost");
    assert!(matches!(fault, Fault::Lost { .. }), "{fault}");
    assert_eq!(offline.waited.get(), Duration::from_secs(60));
}

#[test]
fn a_full_disk_is_told_before_or_when_it_is_met_and_costs_nothing() {
    let file = gguf("llama", 5_000_000);
    let told = Disk { room: Some(3_000_000), says_room: true, ..Disk::default() };
    let disk = Rc::new(RefCell::new(told));
    let fault = fetch(&Server::with(file.clone(), &[]), &disk, None).expect_err("no room");
    assert!(fault.to_string().contains("needs 5 MB more") && fault.to_string().contains("3 MB"), "{fault}");
    assert!(disk.borrow().bytes.is_empty());

    disk.borrow_mut().says_room = false;
    let fault = fetch(&Server::with(file.clone(), &[]), &disk, None).expect_err("full");
    assert_eq!(fault, Fault::Full);
    disk.borrow_mut().room = None;
    let server = Server::with(file, &[]);
    fetches(&server, &disk);
    assert_eq!(*server.asked.borrow(), [3_000_000]);
}

#[test]
fn a_wrong_file_is_refused_by_its_first_bytes() {
    for (file, part) in [
        (gguf("mamba", 5_000_000), "its architecture is mamba"),
        (b"<!doctype html>".repeat(10_000), "does not begin as such a file does"),
        (b"<!doctype html>".to_vec(), "does not begin as such a file does"),
    ] {
        let disk = Rc::<RefCell<Disk>>::default();
        let fault = fetch(&Server::with(file, &[]), &disk, None).expect_err("refused");
        assert!(matches!(&fault, Fault::Wrong(text) if text.contains(part)), "{fault}");
        assert!(disk.borrow().bytes.is_empty() && disk.borrow().record.is_none() && !disk.borrow().whole);
    }
}

#[test]
fn a_file_of_another_hash_is_deleted() {
    let disk = Rc::<RefCell<Disk>>::default();
    let server = Server::with(gguf("llama", 100_000), &[]);
    let fault = fetch(&server, &disk, Some("00".repeat(32))).expect_err("refused");
    assert!(matches!(fault, Fault::Hash { .. }), "{fault}");
    assert!(disk.borrow().bytes.is_empty() && !disk.borrow().whole);
}

#[test]
fn a_user_may_stop_it_at_any_step_and_go_on() {
    let file = gguf("llama", 100_000);
    let disk = Rc::<RefCell<Disk>>::default();
    let mut stops = 0;
    // Each try is stopped at its third step.
    while !disk.borrow().whole {
        let server = Server::with(file.clone(), &[]);
        let mut steps = 0;
        let wanted = ModelFile { url: URL.into(), sha256: Some(sha256_hex(&file)) };
        let mut place = Rc::clone(&disk);
        let outcome = pollster::block_on(transfer(&server, &mut place, &wanted, |_| {
            steps += 1;
            server.stopped.set(steps == 3);
        }));
        match outcome {
            Ok(()) => break,
            Err(fault) => assert_eq!(fault, Fault::Stopped),
        }
        stops += 1;
        assert!(stops < 100, "it does not get on");
    }
    assert!(disk.borrow().whole && disk.borrow().bytes == file);
    assert!(stops > 10, "{stops}");
}
