//! A user: who may log in how, and what connections of theirs may do. A user does not change: rules make another one of it, of which
//! all connections are told.

use std::sync::Arc;

use super::password::PasswordHash;
use super::rule::RuleError;
use super::selector::Selector;

/// The user of connections that have not logged in, or need not.
pub const DEFAULT_USER: &[u8] = b"default";

/// The id of no user of a client.
pub(super) const HOST_ID: u32 = u32::MAX;

/// See the head of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The same on all cores, and for no other user.
    pub(super) id: u32,
    name: Box<[u8]>,
    is_enabled: bool,
    /// Any password is right.
    needs_no_password: bool,
    /// RESTORE need not examine what this user restores. Kept for ACL GETUSER: Torc always examines it.
    skips_sanitize: bool,
    passwords: Vec<PasswordHash>,
    /// The first is the root selector.
    pub(super) selectors: Vec<Selector>,
    /// One of the selectors allows everything.
    pub(super) is_unrestricted: bool,
}

impl User {
    /// Who cannot log in and may do nothing. `all_channels`: but use all channels (`acl-pubsub-default`).
    pub fn new(name: &[u8], all_channels: bool) -> Self {
        let mut root = Selector::empty();
        root.all_channels = all_channels;
        User {
            id: 0,
            name: name.into(),
            is_enabled: false,
            needs_no_password: false,
            skips_sanitize: false,
            passwords: Vec::new(),
            selectors: vec![root],
            is_unrestricted: false,
        }
    }

    /// The default user of a server whose configuration says nothing of users.
    pub fn open_default() -> Self {
        let mut user = User::new(DEFAULT_USER, false);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            user.apply(rule.as_bytes(), false).expect("these are rules");
        }
        user
    }

    /// The host of an engine, whose commands are no client's: what was propagated was allowed, whoever may do what now.
    pub fn of_host() -> Arc<Self> {
        Arc::new(User { id: HOST_ID, ..User::open_default() })
    }

    /// Applies one rule; `all_channels` is what `reset` makes of channels. On an error part of it may be in force.
    pub fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let lower = rule.to_ascii_lowercase();
        match (&lower[..], rule) {
            ([], _) => {}
            (b"on", _) => self.is_enabled = true,
            (b"off", _) => self.is_enabled = false,
            (b"skip-sanitize-payload", _) => self.skips_sanitize = true,
            (b"sanitize-payload", _) => self.skips_sanitize = false,
            (b"nopass", _) => (self.needs_no_password, self.passwords) = (true, Vec::new()),
            (b"resetpass", _) => (self.needs_no_password, self.passwords) = (false, Vec::new()),
            (_, [b'>', password @ ..]) => self.add_password(PasswordHash::of(password)),
            (_, [b'#', digits @ ..]) => self.add_password(PasswordHash::parse(digits).ok_or(RuleError::NoHash)?),
            (_, [b'<', password @ ..]) => self.remove_password(PasswordHash::of(password))?,
            (_, [b'!', digits @ ..]) => {
                self.remove_password(PasswordHash::parse(digits).ok_or(RuleError::NoHash)?)?;
            }
            (_, [b'(', words @ .., b')']) => self.selectors.push(Selector::of(words)?),
            (b"clearselectors", _) => self.selectors.truncate(1),
            (b"reset", _) => {
                let name = std::mem::take(&mut self.name);
                *self = User { id: self.id, ..User::new(&name, all_channels) };
            }
            _ => self.selectors[0].apply(rule)?,
        }
        self.is_unrestricted = self.selectors.iter().any(Selector::is_unrestricted);
        Ok(())
    }

    fn add_password(&mut self, password: PasswordHash) {
        if !self.passwords.contains(&password) {
            self.passwords.push(password);
        }
        self.needs_no_password = false;
    }

    fn remove_password(&mut self, password: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == password).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// `requirepass`: the only password from now on, or none.
    pub fn set_only_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.needs_no_password = password.is_empty();
        if !password.is_empty() {
            self.add_password(PasswordHash::of(password));
        }
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may log in.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Whether it is the host.
    pub fn is_host(&self) -> bool {
        self.id == HOST_ID
    }

    /// What it is called between cores.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether any password is right.
    pub fn needs_no_password(&self) -> bool {
        self.needs_no_password
    }

    /// Whether connections need not log in, if this is the default user.
    pub fn is_open(&self) -> bool {
        self.needs_no_password && self.is_enabled
    }

    /// Whether everything is allowed, so that nothing need be looked at.
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// Whether somebody may log in with this password. All passwords are compared, each in a time that does not depend on where it differs.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let hash = PasswordHash::of(password);
        let is_known = self.passwords.iter().fold(false, |found, known| found | known.is_same(&hash));
        self.is_enabled && (self.needs_no_password || is_known)
    }

    /// `on`, `nopass` and the like, in Redis's order.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_enabled { "on" } else { "off" }];
        flags.extend(self.needs_no_password.then_some("nopass"));
        flags.push(if self.skips_sanitize { "skip-sanitize-payload" } else { "sanitize-payload" });
        flags
    }

    /// The hashes of the passwords.
    pub fn passwords(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        self.passwords.iter().map(PasswordHash::digits)
    }

    /// The root selector, then the others.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Rules that make this user of a new one, as ACL LIST and files have them.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.passwords().map(|digits| format!("#{digits}").into_bytes()));
        parts.push(self.selectors[0].describe());
        parts.extend(self.selectors[1..].iter().map(|selector| [b"(", &selector.describe()[..], b")"].concat()));
        parts.join(&b' ')
    }

    /// Bytes that it takes, itself included.
    pub fn memory_bytes(&self) -> usize {
        let selectors: usize = self.selectors.iter().map(|part| size_of::<Selector>() + part.memory_bytes()).sum();
        size_of::<User>() + self.name.len() + self.passwords.len() * size_of::<PasswordHash>() + selectors
    }
}
