//! `mqtt pub`.

use std::collections::VecDeque;
use std::fs::File;
use std::future::pending;
use std::io;

use mqtt_tokio::{Bytes, Client, Delivery, Error};

use crate::args::{PublishArgs, Source};
use crate::failure::Failure;
use crate::lines;
use crate::log::Log;

pub(crate) async fn run(args: &PublishArgs) -> Result<(), Failure> {
    // What can't be read is not worth a connection.
    let payload = match args.source() {
        Source::Given(payload) => Some(payload),
        Source::File(path) => {
            let read = File::open(&path).and_then(lines::all);
            Some(read.map_err(|error| Failure::new(format_args!("cannot read {}: {error}", path.display())))?)
        }
        Source::Input => Some(lines::all(io::stdin()).map_err(unreadable)?),
        Source::Lines => None,
    };
    let mut options = args.connect.options();
    options.reconnect.enabled = false;
    let version = options.connect.version;
    let failed = |error: Error| Failure::of_client(version, error);

    let client = mqtt_tokio::connect_with(options).await.map_err(|error| failed(error.into()))?;
    let log = Log::new(args.connect.debug);
    log.say_connected(&client);
    let mut outbox = Outbox { client: &client, args, log, open: VecDeque::new() };
    let result = match payload {
        Some(payload) => outbox.send(payload).await.map_err(failed),
        None => send_lines(&mut outbox).await,
    };
    // Also after a failure: what was accepted before may still arrive.
    let settled = outbox.settle_all().await.map_err(failed);
    result.and(settled)?;
    client.disconnect().await.map_err(|error| failed(error.into()))?;
    log.say("disconnected");
    Ok(())
}

async fn send_lines(outbox: &mut Outbox<'_>) -> Result<(), Failure> {
    let version = outbox.args.connect.options().connect.version;
    let failed = |error: Error| Failure::of_client(version, error);
    let mut lines = lines::of_stdin();
    loop {
        let client = outbox.client;
        tokio::select! {
            settled = outbox.settle_first() => settled.map_err(failed)?,
            error = client.closed() => return Err(failed(error.into())),
            line = lines.recv() => match line {
                Some(line) => outbox.send(line.map_err(unreadable)?).await.map_err(failed)?,
                None => return Ok(()),
            },
        }
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(format_args!("cannot read the standard input: {error}"))
}

/// Messages on their way, first in, first out.
struct Outbox<'a> {
    client: &'a Client,
    args: &'a PublishArgs,
    log: Log,
    open: VecDeque<Open>,
}

struct Open {
    delivery: Delivery,
    bytes: usize,
}

/// Messages that may be on their way.
const OPEN_MAX: usize = 1_000;

impl Outbox<'_> {
    /// Hands a message over, as soon as there is room.
    async fn send(&mut self, payload: impl Into<Bytes>) -> Result<(), Error> {
        while self.open.len() >= OPEN_MAX {
            self.settle_first().await?;
        }
        let payload = payload.into();
        loop {
            let publish = self.client.publish(&self.args.topic, &payload).qos(self.args.qos).retain(self.args.retain);
            match publish.try_send() {
                Ok(delivery) => {
                    self.open.push_back(Open { delivery, bytes: payload.len() });
                    return Ok(());
                }
                Err(error) if error.is_full() && !self.open.is_empty() => self.settle_first().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until the first message is settled; for ever, if there is none. Dropped before, it goes on with the next call.
    async fn settle_first(&mut self) -> Result<(), Error> {
        let Some(first) = self.open.front_mut() else { return pending().await };
        let settled = (&mut first.delivery).await;
        let bytes = first.bytes;
        self.open.pop_front();
        settled?;
        self.log.say_message("published", &self.args.topic, self.args.qos, self.args.retain, bytes);
        Ok(())
    }

    /// Waits for all, and reports the first failure.
    async fn settle_all(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        while !self.open.is_empty() {
            let settled = self.settle_first().await;
            result = result.and(settled);
        }
        result
    }
}
