//! How an operation lies while it waits: as it is, or in a box.
//!
//! Each connection has room for one, so it is as large as the largest that is not boxed. Not boxed is
//! the receive, since most connections wait in one; a box is made only for what has to wait.

/// Lies as it is.
pub(super) struct Inline<K>(K);

impl<K> Inline<K> {
    #[inline]
    pub(super) fn new(kind: K) -> Self {
        Self(kind)
    }
}

/// The kind, or a reference to it, out of the place where it lies.
pub(super) trait Open {
    type Kind;

    fn open(self) -> Self::Kind;
}

macro_rules! open {
    ($([$($lifetime:tt)?] $stored:ty => $kind:ty, $it:ident: $opened:expr);+ $(;)?) => {
        $(impl<$($lifetime,)? K> Open for $stored {
            type Kind = $kind;

            #[inline(always)]
            fn open(self) -> $kind {
                let $it = self;
                $opened
            }
        })+
    };
}

open! {
    [] Inline<K> => K, it: it.0;
    ['a] &'a Inline<K> => &'a K, it: &it.0;
    ['a] &'a mut Inline<K> => &'a mut K, it: &mut it.0;
    [] Box<K> => K, it: *it;
    ['a] &'a Box<K> => &'a K, it: it;
    ['a] &'a mut Box<K> => &'a mut K, it: it;
}
