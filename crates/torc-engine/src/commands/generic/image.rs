//! The image of a key: all that makes it again under another name, in another database or on another core.
//!
//! ```text
//!   null                                 there is no such key
//!   [bytes, expiry or null, form]        a string, made in this form
//!   [bytes, expiry or null, layout]      anything else: type and value in the format of RDB files, and its form in the store
//! ```

use torc_rdb::{Input, decode_value};
use torc_resp::reader::{self, Elements};
use torc_store::{StringForm, UnixMillis, ValueRef};

use crate::config::Config;
use crate::extract::Extract;
use crate::shard::ShardContext;
use crate::snapshot::{self, Layout, Writing};

/// Which version of the format travels between cores: one that has a layout for every value.
const VERSION: u16 = 13;
/// Numbers of layouts begin here, above those of forms of strings.
const LAYOUTS_START: i64 = 16;
const LAYOUTS: [Layout; 3] = [Layout::Integers, Layout::Packed, Layout::Object];

/// A key's value and what goes with it, detached from its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    expire_at: Option<UnixMillis>,
    form: Form,
}

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    String(StringForm),
    Encoded(Layout),
}

impl Image {
    /// Of a key that is there. `None`: all that it had has expired.
    fn of(value: ValueRef<'_>, config: &Config, now_ms: UnixMillis) -> Option<Self> {
        let expire_at = value.expire_at();
        if let Some(bytes) = value.as_string() {
            return Some(Image { bytes: bytes.to_vec(), expire_at, form: Form::String(value.form()) });
        }
        let mut bytes = Vec::new();
        snapshot::encode(value, Writing { config, version: VERSION, compress: false, now_ms }, &mut bytes)?;
        Some(Image { bytes, expire_at, form: Form::Encoded(Layout::of(value)) })
    }

    /// Of a key, if it is there.
    pub fn read_key(context: &mut ShardContext<'_>, key: &[u8]) -> Option<Self> {
        let now_ms = context.now_ms();
        let (value, config) = context.look_up_beside_config(key, false);
        value.and_then(|value| Image::of(value, config, now_ms))
    }

    /// Makes the value and the expiry of a key those of the image, whatever it held.
    pub fn put(&self, context: &mut ShardContext<'_>, key: &[u8]) {
        let layout = match self.form {
            Form::String(form) => return context.put_string(key, &self.bytes, self.expire_at, form),
            Form::Encoded(layout) => layout,
        };
        let (kind, body) = self.bytes.split_first().expect("an encoded value begins with its type");
        let value = decode_value(&mut Input::new(body), *kind, VERSION).expect("a core encodes values well");
        context.put(key, &value, self.expire_at, layout).expect("a core only sends what it has");
    }

    /// Writes it as one value, RESP2.
    pub fn write(image: Option<&Image>, extract: &mut Extract) {
        let Some(image) = image else { return extract.null() };
        extract.array(3);
        extract.bulk(&image.bytes);
        match image.expire_at {
            Some(expire_at) => extract.integer(expire_at),
            None => extract.null(),
        }
        extract.integer(image.form.number());
    }

    /// Reads what [`Image::write`] wrote.
    pub fn read(encoded: &[u8]) -> Option<Image> {
        if reader::is_null(encoded) {
            return None;
        }
        let mut elements = Elements::new(encoded).expect("an image is an array");
        let mut next = || elements.next().expect("an image has three elements");
        let bytes = reader::bulk(next()).expect("a string").to_vec();
        let expire_at = reader::integer(next());
        let form = Form::of_number(reader::integer(next()).expect("an integer"));
        Some(Image { bytes, expire_at, form })
    }
}

impl Form {
    fn number(self) -> i64 {
        match self {
            Form::String(form) => form as i64,
            Form::Encoded(layout) => {
                let index = LAYOUTS.iter().position(|known| *known == layout);
                LAYOUTS_START + index.expect("values in the store have one of these layouts") as i64
            }
        }
    }

    fn of_number(number: i64) -> Self {
        match number {
            LAYOUTS_START.. => Form::Encoded(LAYOUTS[(number - LAYOUTS_START) as usize]),
            number if number == StringForm::Raw as i64 => Form::String(StringForm::Raw),
            number if number == StringForm::Embedded as i64 => Form::String(StringForm::Embedded),
            _ => Form::String(StringForm::Auto),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let strings = [StringForm::Auto, StringForm::Raw, StringForm::Embedded].map(Form::String);
        for form in strings.into_iter().chain(LAYOUTS.map(Form::Encoded)) {
            for expire_at in [None, Some(0), Some(1 << 42)] {
                let image = Image { bytes: b"a\r\nb".to_vec(), expire_at, form };
                let mut extract = Extract::new(usize::MAX);
                Image::write(Some(&image), &mut extract);
                assert_eq!(Image::read(&extract.finish().expect("there is room")), Some(image));
            }
        }
        let mut extract = Extract::new(usize::MAX);
        Image::write(None, &mut extract);
        assert_eq!(Image::read(&extract.finish().expect("there is room")), None);
    }
}
