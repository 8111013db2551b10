//! Who may do what. The answers are somebody else's; here are the questions.

use alloc::sync::Arc;
use core::fmt;

use mqtt_proto::{Properties, QoS, ReasonCode, TopicFilter, TopicName};

/// Decides what clients may do. A [`Broker`](crate::Broker) asks it before it does anything for them, and believes no answer that is older than the last
/// [`policy_changed`](crate::Broker::policy_changed).
///
/// ```
/// use std::sync::Arc;
/// use mqtt_session::{Action, Broker, BrokerOptions, Policy, Principal, Verdict};
///
/// /// Everybody may do everything below a topic of their own, and listen everywhere.
/// #[derive(Debug)]
/// struct Rooms;
///
/// impl Policy for Rooms {
///     fn check(&self, who: &Principal, action: &Action<'_>) -> Verdict {
///         let allowed = match action {
///             Action::Publish { topic, .. } | Action::Store { topic } => topic.levels().next() == Some(who.client_id.as_bytes()),
///             _ => true,
///         };
///         if allowed { Verdict::Allow } else { Verdict::DENY }
///     }
/// }
///
/// let mut broker = Broker::new(BrokerOptions::default(), 42);
/// broker.set_policy(Arc::new(Rooms));
/// ```
///
/// # What is asked when
///
/// | when | what |
/// |---|---|
/// | CONNECT | `Connect`; for a will also `Publish`, and `Store` if it is to be retained |
/// | PUBLISH | `Publish`, and `Store` if it is to be retained |
/// | SUBSCRIBE | `Subscribe`, for each filter |
/// | a message is delivered, however it has waited, for the first time after a change of the policy | `Subscribe`, for each filter of the receiver; for its topic, if the receiver has unsubscribed since |
/// | a will is published after a change | `Publish` and `Store`, as before |
/// | a retained message is sent to a new subscriber after a change | `Publish` and `Store`, of the client that had published it |
/// | anything happens on a connection for the first time after a change | `Stay` |
///
/// What was accepted from a client that was allowed to publish it is delivered, also if that client may not publish any more.
pub trait Policy: fmt::Debug + Send + Sync {
    /// May `who` do this? It is called while a packet is handled, so it must not wait for anything: that is what [`Verdict::Ask`] is for.
    fn check(&self, who: &Principal, action: &Action<'_>) -> Verdict;
}

/// A client, as it was when it connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Principal {
    /// Its own name, or one that the broker gave it. Anybody can choose that of another, unless [`Action::Connect`] is refused.
    pub client_id: Arc<str>,
    /// The user that it connected as.
    pub user_name: Option<Arc<str>>,
}

impl Principal {
    /// A client by these names.
    #[must_use]
    pub fn new(client_id: impl Into<Arc<str>>, user_name: Option<&str>) -> Self {
        Self { client_id: client_id.into(), user_name: user_name.map(Into::into) }
    }
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action<'a> {
    /// To connect. Whoever is refused has changed nothing, and taken over nobody's session.
    Connect(Credentials<'a>),
    /// To stay connected.
    Stay,
    /// To publish a message, now or by its will.
    Publish {
        /// Where.
        topic: TopicName<'a>,
        /// How hard.
        qos: QoS,
    },
    /// To leave that message behind as a retained one, or to delete what is there.
    Store {
        /// Where.
        topic: TopicName<'a>,
    },
    /// To receive messages: all that the filter matches, so that one which matches anything forbidden has to be refused.
    Subscribe {
        /// Which. Of a shared subscription, what stands behind the share name.
        filter: TopicFilter<'a>,
        /// The share name (5.0 section 4.8.2).
        share: Option<&'a str>,
        /// How hard.
        qos: QoS,
    },
}

/// How a client proves who it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Credentials<'a> {
    /// The password.
    pub password: Option<&'a [u8]>,
    /// The properties of CONNECT (5.0).
    pub properties: Properties<'a>,
}

/// Hides the password, and properties, which may have another in them.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("password", &self.password.map(|_| format_args!("(hidden)")))
            .finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth")]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No, with the reason to be given. A code that is none for this is as good as [`DENY`](Self::DENY). Before 5.0, a publisher is not told: its message is acknowledged, and dropped.
    Deny(ReasonCode),
    /// It takes longer. The broker says [`BrokerEvent::Asked`](crate::BrokerEvent::Asked), and that connection rests until it has its [`answer`](crate::Broker::answer).
    ///
    /// Only what a client is about to do can wait for an answer: its CONNECT, PUBLISH and SUBSCRIBE. Anything else that is not known is refused.
    Ask,
}

impl<'a> Action<'a> {
    /// A subscription as a client wrote it.
    pub(super) fn subscribe(filter: TopicFilter<'a>, qos: QoS) -> Self {
        match filter.shared() {
            Some((share, filter)) => Self::Subscribe { filter, share: Some(share.as_str()), qos },
            None => Self::Subscribe { filter, share: None, qos },
        }
    }
}

impl Verdict {
    /// No.
    pub const DENY: Self = Self::Deny(ReasonCode::NotAuthorized);

    pub(super) const fn is_allowed(self) -> bool {
        matches!(self, Self::Allow)
    }
}
