//! Many connections and one thread: requests by a schedule, as a machine of its
//! own would send them. With a thread a connection it is the generator that
//! wants most of the processors as soon as there is more than they can do.
//!
//! Never waits for one connection while another is ready; never spins.

use crate::client::{Answer, connect, reads_whole};
use crate::pace::OpenLoop;
use crate::tally::Tally;
use rustix::event::epoll;
use rustix::io::Errno;
use scry_os::threads::{be_prompt, thread_cpu};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(30);
const EVENTS_MAX: usize = 256;
/// By a schedule, what is due is sent and what came is read so often: waking for
/// each would take a tenth of the processors from the host. It makes no request
/// look faster than it was.
const BEAT: Duration = Duration::from_micros(500);
const PART_BYTES: usize = 16 << 10;

/// The connections, and what has become of their requests.
struct Crowd<'a> {
    server: SocketAddr,
    request: &'a [u8],
    ready: OwnedFd,
    members: Vec<Member>,
    /// Those that have no request under way.
    idle: Vec<usize>,
    /// What is read goes through here.
    part: Vec<u8>,
    tally: Tally,
}

struct Member {
    stream: TcpStream,
    /// Since when a request is under way, and how much of it is sent.
    since: Option<Instant>,
    sent: usize,
    /// What has come of the answer.
    came: Vec<u8>,
}

/// Sends what is due within the time; a request that had to wait for a
/// connection counts from when it was sent.
pub(crate) fn run(plan: &OpenLoop<'_>, time: Duration) -> io::Result<Tally> {
    be_prompt();
    let mut crowd = Crowd::open(plan)?;
    let (start, began) = (Instant::now(), thread_cpu());
    let mut number = 0;
    let mut events = Vec::with_capacity(EVENTS_MAX);
    let has_schedule = plan.rate_per_s.is_finite();
    let mut looked = start;
    loop {
        if has_schedule {
            thread::sleep(BEAT.saturating_sub(looked.elapsed()));
            looked = Instant::now();
        }
        let now = start.elapsed();
        let is_over = now >= time;
        while !is_over && plan.due(number) <= now && crowd.send_next() {
            number += 1;
        }
        if is_over && (crowd.idle.len() == crowd.members.len() || now >= time + PATIENCE) {
            break;
        }
        // Until somebody is ready, or the next request is due and may be sent.
        let until = if is_over { time + PATIENCE } else { time };
        let until = if is_over || crowd.idle.is_empty() { until } else { until.min(plan.due(number)) };
        let left = until.saturating_sub(start.elapsed());
        let timeout = left.try_into().map_err(io::Error::other)?;
        events.clear();
        match epoll::wait(&crowd.ready, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            crowd.go_on(usize::try_from(event.data.u64()).map_err(io::Error::other)?);
        }
    }
    let lost = crowd.members.len() - crowd.idle.len();
    (0..lost).for_each(|_| crowd.tally.lose("no answer within half a minute".into()));
    Ok(Tally { wall: start.elapsed(), cpu: thread_cpu() - began, ..crowd.tally })
}

impl<'a> Crowd<'a> {
    fn open(plan: &OpenLoop<'a>) -> io::Result<Self> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (members, idle) = (Vec::new(), (0..plan.connections).collect());
        let (server, request, tally) = (plan.server, plan.request, Tally::default());
        let mut crowd = Self { server, request, ready, members, idle, part: vec![0; PART_BYTES], tally };
        for i in 0..plan.connections {
            let stream = crowd.connect(i)?;
            crowd.members.push(Member { stream, since: None, sent: 0, came: Vec::new() });
        }
        Ok(crowd)
    }

    fn connect(&self, member: usize) -> io::Result<TcpStream> {
        let stream = connect(self.server)?;
        stream.set_nonblocking(true)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.ready, &stream, epoll::EventData::new_u64(member as u64), flags)?;
        Ok(stream)
    }

    /// Sends a request on a connection that has none under way, where there is one.
    fn send_next(&mut self) -> bool {
        let Some(next) = self.idle.pop() else { return false };
        let Some(member) = self.members.get_mut(next) else { return false };
        let since = Instant::now();
        (member.since, member.sent) = (Some(since), 0);
        // Its answer is not there yet: to look for it costs as much as to read it.
        if let Err(error) = member.send(self.request) {
            self.ended(next, since, Err(error));
        }
        true
    }

    /// Writes and reads what can be written and read now.
    fn go_on(&mut self, number: usize) {
        let Some(member) = self.members.get_mut(number) else { return };
        // One that has no request under way was ended by the server, or is new.
        let Some(since) = member.since else { return };
        let answer = member.send(self.request).and_then(|()| member.read(&mut self.part)).transpose();
        if let Some(answer) = answer {
            self.ended(number, since, answer);
        }
    }

    fn ended(&mut self, number: usize, since: Instant, answer: io::Result<Answer>) {
        if let Some(member) = self.members.get_mut(number) {
            member.since = None;
        }
        let ends = answer.as_ref().map_or(true, |answer| answer.closes);
        self.tally.add(answer, since.elapsed());
        if ends {
            self.replace(number);
        }
        self.idle.push(number);
    }

    fn replace(&mut self, number: usize) {
        let stream = self.connect(number);
        match (stream, self.members.get_mut(number)) {
            (Ok(stream), Some(member)) => (member.stream, member.came) = (stream, Vec::new()),
            (Err(error), _) => self.tally.lose(error.to_string()),
            _ => {}
        }
    }
}

impl Member {
    /// What can be sent now of a request.
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while let Some(rest) = request.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(written) => self.sent += written,
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Its answer, once it is whole.
    fn read(&mut self, part: &mut [u8]) -> io::Result<Option<Answer>> {
        loop {
            match self.stream.read(part) {
                Ok(0) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended without an answer"));
                }
                Ok(read) => self.came.extend_from_slice(part.get(..read).unwrap_or_default()),
                Err(error) if would_block(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            if let Some(answer) = reads_whole(&self.came)? {
                self.came.clear();
                return Ok(Some(answer));
            }
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
