//! `mqtt sub`.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use mqtt_proto::PACKET_BYTES_MAX;
use mqtt_tokio::{Client, Message, Messages, Options, ReasonCode, Version};

use crate::args::SubscribeArgs;
use crate::failure::Failure;
use crate::log::Log;
use crate::print::Printer;
use crate::signal;

pub(crate) async fn run(args: &SubscribeArgs) -> Result<(), Failure> {
    let options = options(args);
    let version = options.connect.version;
    let log = Log::new(args.connect.debug);
    let leaves_will = options.connect.will.is_some() && version.acks_carry_reason();

    // Subscribed before there is a connection, so that what a resumed session brings finds somebody.
    let client = mqtt_tokio::start(options);
    let mut inbox = Inbox { strays: client.unmatched(), subscribed: None };
    let mut listening = pin!(listen(&client, &mut inbox, args, version, log));
    let end = tokio::select! {
        biased;
        never = watch(&client, log) => match never {},
        end = &mut listening => end,
        end = told_to_end(&client, args) => end,
    };
    // Before anything is dropped, which would acknowledge it: what has arrived and was not printed stays with a server that keeps the session.
    let reason = match end {
        // As mosquitto_sub does: nobody meant this client to go.
        Ok(End::Told | End::TimedOut) if leaves_will => ReasonCode::DisconnectWithWill,
        Ok(_) | Err(_) => ReasonCode::NORMAL_DISCONNECTION,
    };
    if client.disconnect_with(reason).await.is_ok() {
        log.say("disconnected");
    }
    let dropped = client.stats().dropped;
    match end? {
        _ if dropped > 0 => Err(Failure::new(format_args!(
            "{dropped} messages at QoS 0 were dropped, since they came faster than they could be printed"
        ))),
        End::Done | End::Told => Ok(()),
        End::TimedOut => Err(Failure::timed_out()),
    }
}

/// How it ends if nothing goes wrong.
enum End {
    /// There were enough messages, or nobody reads them any more.
    Done,
    Told,
    TimedOut,
}

/// A tool takes whatever comes.
fn options(args: &SubscribeArgs) -> Options {
    let mut options = args.connect.options();
    options.connect.packet_bytes_max = PACKET_BYTES_MAX;
    // There are servers that lose count in a burst, and what comes beyond it would have to end the connection.
    options.connect.receive_maximum = u16::MAX;
    options.connect.limits.unacknowledged_bytes_max = MESSAGE_BYTES_MAX;
    options.stream_bytes_max = MESSAGE_BYTES_MAX;
    options.stream_messages_max = MESSAGES_MAX;
    options
}

/// What may wait to be printed; a burst of retained messages, for one.
const MESSAGES_MAX: usize = 1_000_000;
const MESSAGE_BYTES_MAX: usize = 512 << 20;

/// Ready when somebody or the time says so, once there was a connection.
async fn told_to_end(client: &Client, args: &SubscribeArgs) -> Result<End, Failure> {
    if client.connected().await.is_err() {
        return pending().await;
    }
    let told = signal::told_to_end()?;
    let elapsed = async {
        match args.timeout() {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = told => Ok(End::Told),
        () = elapsed => Ok(End::TimedOut),
    }
}

/// Says how the connection fares. Never ready.
async fn watch(client: &Client, log: Log) -> Infallible {
    while client.connected().await.is_ok() {
        log.say_connected(client);
        log.say(client.lost().await);
    }
    // Why it is over is told by what it breaks off.
    pending().await
}

/// Subscribes, and prints what arrives.
async fn listen(
    client: &Client,
    inbox: &mut Inbox,
    args: &SubscribeArgs,
    version: Version,
    log: Log,
) -> Result<End, Failure> {
    let subscribe = client.subscribe_to(args.topics.iter().map(String::as_str)).qos(args.qos);
    inbox.subscribed = Some(subscribe.await.map_err(|error| Failure::of_client(version, error))?);
    log.say(format_args!("subscribed {} (qos {})", args.topics.join(" "), args.qos.as_u8()));

    let mut printer = Printer::new(args.verbose);
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(mut message) = inbox.next().await else {
            return Err(inbox.failure(client, version).await);
        };
        loop {
            log.say_message("received", message.topic(), message.qos(), message.retain(), message.payload().len());
            printer.add(&message);
            left -= 1;
            if left == 0 || printer.is_full() {
                break;
            }
            match inbox.try_next() {
                Some(next) => message = next,
                None => break,
            }
        }
        match printer.write().await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Done),
            Err(error) => return Err(Failure::new(format_args!("cannot write: {error}"))),
        }
    }
    Ok(End::Done)
}

/// Everything that arrives, whatever it was subscribed by.
struct Inbox {
    /// What a resumed session brings for subscriptions of earlier days.
    strays: Messages,
    subscribed: Option<Messages>,
}

impl Inbox {
    async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| {
            if let Poll::Ready(Some(message)) = self.strays.poll_next(cx) {
                return Poll::Ready(Some(message));
            }
            match &mut self.subscribed {
                Some(messages) => messages.poll_next(cx),
                None => Poll::Ready(None),
            }
        })
        .await
    }

    fn try_next(&mut self) -> Option<Message> {
        self.strays.try_next().or_else(|| self.subscribed.as_mut()?.try_next())
    }

    /// Why there will be no more messages.
    async fn failure(&self, client: &Client, version: Version) -> Failure {
        match self.subscribed.as_ref().and_then(Messages::error) {
            Some(error) => Failure::of_client(version, error),
            None => Failure::of_client(version, client.closed().await),
        }
    }
}
