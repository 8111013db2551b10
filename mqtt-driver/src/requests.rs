//! What the server has been asked, and what it still has to be: subscribes and unsubscribes, across reconnects.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Poll, Waker};

use mqtt_proto::{Properties, SubAck, TopicFilter, UnsubAck};
use mqtt_session::{Agreed, Client, Instant, RequestError, RequestId};

use crate::error::{SubscribeError, UnsubscribeError};
use crate::shared::State;
use crate::stream::{Filter, Status, StreamKey, Streams};
use crate::wake::Wakes;

/// Asked in the order in which they came, so that the last word about a filter is the last one that the server hears.
#[derive(Default)]
pub(crate) struct Requests {
    due: VecDeque<Question>,
    asked: BTreeMap<RequestId, Question>,
    jobs: BTreeMap<JobKey, Job>,
    next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Subscribe(StreamKey),
    Unsubscribe(JobKey),
}

/// What is known of the server's memory on a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// It has kept the session.
    Kept,
    /// It may have: before 3.1.1 nothing tells.
    Unknown,
    /// It knows nothing.
    Lost,
}

impl Session {
    pub(crate) const fn of(agreed: &Agreed) -> Self {
        match agreed {
            Agreed { session_present: true, .. } => Self::Kept,
            Agreed { is_resumed: true, .. } => Self::Unknown,
            _ => Self::Lost,
        }
    }
}

/// Names an unsubscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobKey(u64);

struct Job {
    filters: Vec<String>,
    waker: Option<Waker>,
    outcome: Option<Result<(), UnsubscribeError>>,
    /// Somebody will ask for the outcome.
    awaited: bool,
}

impl Requests {
    pub(crate) fn subscribe(&mut self, key: StreamKey) {
        self.due.push_back(Question::Subscribe(key));
    }

    /// Nobody wants a subscribe any more that the server has not heard of.
    pub(crate) fn forget(&mut self, key: StreamKey) {
        self.due.retain(|question| *question != Question::Subscribe(key));
    }

    fn unsubscribe(&mut self, filters: Vec<String>, awaited: bool) -> JobKey {
        let key = JobKey(self.next);
        self.next += 1;
        self.jobs.insert(key, Job { filters, waker: None, outcome: None, awaited });
        self.due.push_back(Question::Unsubscribe(key));
        key
    }

    /// Asks what is due, as far as the machine takes it. True: something is to be sent.
    pub(crate) fn ask(&mut self, now: Instant, machine: &mut Client, streams: &mut Streams, wakes: &mut Wakes) -> bool {
        let mut sent = false;
        while let Some(&question) = self.due.front() {
            let request = match question {
                Question::Subscribe(key) => subscribe(now, machine, streams, key),
                Question::Unsubscribe(key) => unsubscribe(now, machine, self.jobs.get(&key)),
            };
            match request {
                // An answer makes room for it, or a new connection does.
                Some(Err(RequestError::TooMany | RequestError::NotConnected)) => break,
                Some(Ok(id)) => {
                    self.asked.insert(id, question);
                    sent = true;
                }
                Some(Err(error)) => self.fail(question, error, streams, wakes),
                None => {}
            }
            self.due.pop_front();
        }
        sent
    }

    fn fail(&mut self, question: Question, error: RequestError, streams: &mut Streams, wakes: &mut Wakes) {
        match question {
            Question::Subscribe(key) => {
                if let Some(stream) = streams.get_mut(key) {
                    stream.status = Status::Failed(error.into());
                    wakes.wake(stream.waker.take());
                }
            }
            Question::Unsubscribe(key) => self.finish(key, Err(error.into()), wakes),
        }
    }

    fn finish(&mut self, key: JobKey, outcome: Result<(), UnsubscribeError>, wakes: &mut Wakes) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        job.outcome = Some(outcome);
        wakes.wake(job.waker.take());
        if !job.awaited {
            self.jobs.remove(&key);
        }
    }

    pub(crate) fn handle_suback(
        &mut self,
        id: RequestId,
        suback: &SubAck<'_>,
        streams: &mut Streams,
        wakes: &mut Wakes,
    ) {
        let Some(Question::Subscribe(key)) = self.asked.remove(&id) else { return };
        let Some(stream) = streams.get_mut(key) else { return };
        let mut answers = suback.reason_codes.iter().zip(&stream.filters);
        let refused = answers.clone().find(|(code, _)| code.is_failure());
        let Some((reason_code, filter)) = refused else {
            stream.status = Status::Live;
            wakes.wake(stream.waker.take());
            return;
        };
        // If one is refused, none is kept.
        let granted: Vec<_> =
            answers.by_ref().filter(|(code, _)| !code.is_failure()).map(|(_, filter)| filter.text.clone()).collect();
        stream.status = Status::Failed(SubscribeError::Refused { filter: filter.text.clone(), reason_code });
        wakes.wake(stream.waker.take());
        let unwanted: Vec<_> = granted.into_iter().filter(|text| !streams.is_wanted_besides(key, text)).collect();
        if !unwanted.is_empty() {
            self.unsubscribe(unwanted, false);
        }
    }

    pub(crate) fn handle_unsuback(&mut self, id: RequestId, unsuback: &UnsubAck<'_>, wakes: &mut Wakes) {
        let Some(Question::Unsubscribe(key)) = self.asked.remove(&id) else { return };
        let Some(job) = self.jobs.get(&key) else { return };
        let refused = unsuback.reason_codes.iter().zip(&job.filters).find(|(code, _)| code.is_failure());
        let outcome = match refused {
            None => Ok(()),
            Some((reason_code, filter)) => Err(UnsubscribeError::Refused { filter: filter.clone(), reason_code }),
        };
        self.finish(key, outcome, wakes);
    }

    /// A new connection. Without a session the server knows nothing, whatever it was asked before, and whatever Clean Start said.
    pub(crate) fn handle_up(&mut self, session: Session, streams: &mut Streams, wakes: &mut Wakes) {
        // What had no answer before the connection ended comes first again: the others were to be asked after it.
        for question in std::mem::take(&mut self.asked).into_values().rev() {
            self.due.push_front(question);
        }
        if session == Session::Kept {
            return;
        }
        let mut all: VecDeque<_> = streams.subscribed().map(Question::Subscribe).collect();
        if session == Session::Unknown {
            // What it has not been asked, or has not answered, still comes last.
            all.retain(|question| !self.due.contains(question));
            all.append(&mut self.due);
            self.due = all;
            return;
        }
        self.due = all;
        let open: Vec<JobKey> =
            self.jobs.iter().filter(|(_, job)| job.outcome.is_none()).map(|(&key, _)| key).collect();
        for key in open {
            self.finish(key, Ok(()), wakes);
        }
    }

    pub(crate) fn wake_all(&mut self, wakes: &mut Wakes) {
        for job in self.jobs.values_mut() {
            wakes.wake(job.waker.take());
        }
    }
}

/// `None`: there is nothing to ask any more.
fn subscribe(
    now: Instant,
    machine: &mut Client,
    streams: &mut Streams,
    key: StreamKey,
) -> Option<Result<RequestId, RequestError>> {
    let stream = streams.get_mut(key)?;
    let subscriptions: Vec<_> = stream.filters.iter().filter_map(Filter::subscription).collect();
    if subscriptions.is_empty() {
        return None;
    }
    let request = machine.subscribe(now, &subscriptions, Properties::EMPTY);
    if request.is_ok() && matches!(stream.status, Status::Due) {
        stream.status = Status::Asked;
    }
    Some(request)
}

fn unsubscribe(now: Instant, machine: &mut Client, job: Option<&Job>) -> Option<Result<RequestId, RequestError>> {
    let filters: Vec<_> = job?.filters.iter().filter_map(|filter| TopicFilter::new(filter).ok()).collect();
    if filters.is_empty() {
        return None;
    }
    Some(machine.unsubscribe(now, &filters, Properties::EMPTY))
}

impl State {
    /// Has the filters unsubscribed, now or as soon as there is a connection.
    pub(crate) fn unsubscribe(&mut self, now: Instant, filters: Vec<String>, awaited: bool) -> Option<JobKey> {
        if filters.is_empty() || self.over().is_some() {
            return None;
        }
        let key = self.requests.unsubscribe(filters, awaited);
        self.ask(now);
        Some(key)
    }

    /// As [`unsubscribe`](Self::unsubscribe), for somebody who waits. `None`: the server knows of no such subscription.
    pub(crate) fn begin_unsubscribe(
        &mut self,
        now: Instant,
        filters: Vec<String>,
    ) -> Result<Option<JobKey>, UnsubscribeError> {
        match self.over() {
            Some(over) => Err(UnsubscribeError::Closed(over.clone())),
            None => Ok(self.unsubscribe(now, filters, true)),
        }
    }

    /// How an unsubscribe went.
    pub(crate) fn poll_unsubscribed(&mut self, key: JobKey, waker: Waker) -> Poll<Result<(), UnsubscribeError>> {
        let over = self.over().cloned().map(UnsubscribeError::Closed);
        let Some(job) = self.requests.jobs.get_mut(&key) else {
            self.wakes.discard(Some(waker));
            return Poll::Ready(Ok(()));
        };
        match (job.outcome.take(), over) {
            (Some(outcome), _) => {
                self.requests.jobs.remove(&key);
                self.wakes.discard(Some(waker));
                Poll::Ready(outcome)
            }
            (None, Some(over)) => {
                self.requests.jobs.remove(&key);
                self.wakes.discard(Some(waker));
                Poll::Ready(Err(over))
            }
            (None, None) => {
                self.wakes.replace(&mut job.waker, waker);
                Poll::Pending
            }
        }
    }

    /// Nobody waits for the outcome any more; the unsubscribe goes on.
    pub(crate) fn abandon_unsubscribe(&mut self, key: JobKey) {
        let Some(job) = self.requests.jobs.get_mut(&key) else { return };
        self.wakes.discard(job.waker.take());
        if job.outcome.is_some() {
            self.requests.jobs.remove(&key);
        } else {
            job.awaited = false;
        }
    }
}
