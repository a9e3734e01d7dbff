//! Makes minidumps of a Linux process on amd64 in which every word of every stack is a return address.

/// The module that `tests/fixtures/symbols` has symbols of.
const MODULE: &str = "arena";
const MODULE_BASE: u64 = 0x5555_0000_0000;
const MODULE_SIZE: u32 = 0x10_0000;
/// `arena`'s debug id, 63B35814B41794D4B6BDF76028E736940, in the byte order of a GUID and its age.
const DEBUG_ID: [u8; 20] = [
    0x14, 0x58, 0xb3, 0x63, 0x17, 0xb4, 0xd4, 0x94, 0xb6, 0xbd, 0xf7, 0x60, 0x28, 0xe7, 0x36, 0x94,
    0, 0, 0, 0,
];
const STACK_BASE: u64 = 0x7fff_0000_0000;
const CONTEXT_SIZE: usize = 1232;

/// A dump of that many threads, the first of which crashed. Their stacks have that many words, which are
/// addresses in the module, at these offsets, over and over.
pub(crate) fn dump(threads: usize, words: usize, offsets: &[u64]) -> Vec<u8> {
    let mut out = vec![0; 32 + 5 * 12];
    let version = append(&mut out, &text("test"));
    let name = append(&mut out, &text(MODULE));
    let mut debug = b"RSDS".to_vec();
    debug.extend(DEBUG_ID);
    debug.extend(MODULE.as_bytes());
    debug.push(0);
    let debug_at = append(&mut out, &debug);

    let stack: Vec<u8> = (0..words)
        .flat_map(|i| (MODULE_BASE + offsets[i % offsets.len()]).to_le_bytes())
        .collect();
    let size = u32::try_from(stack.len()).unwrap();
    let mut thread_list = u32::try_from(threads).unwrap().to_le_bytes().to_vec();
    let mut memory_list = thread_list.clone();
    let mut first_context = 0;
    for index in 0..threads {
        let start = STACK_BASE + index as u64 * (stack.len() as u64 + 4096);
        let memory = append(&mut out, &stack);
        let mut context = vec![0; CONTEXT_SIZE];
        context[0x30..0x34].copy_from_slice(&0x0010_000b_u32.to_le_bytes());
        context[0x98..0xa0].copy_from_slice(&start.to_le_bytes());
        context[0xf8..0x100].copy_from_slice(&(MODULE_BASE + offsets[0]).to_le_bytes());
        let context = append(&mut out, &context);
        if index == 0 {
            first_context = context;
        }
        let place = |into: &mut Vec<u8>| {
            into.extend(start.to_le_bytes());
            into.extend(size.to_le_bytes());
            into.extend(memory.to_le_bytes());
        };
        thread_list.extend(u32::try_from(index + 1).unwrap().to_le_bytes());
        thread_list.extend([0; 20]);
        place(&mut thread_list);
        thread_list.extend((CONTEXT_SIZE as u32).to_le_bytes());
        thread_list.extend(context.to_le_bytes());
        place(&mut memory_list);
    }

    let mut system = vec![0; 56];
    system[0] = 9;
    system[6] = 4;
    system[20..24].copy_from_slice(&0x8201_u32.to_le_bytes());
    system[24..28].copy_from_slice(&version.to_le_bytes());

    let mut modules = 1_u32.to_le_bytes().to_vec();
    modules.extend(MODULE_BASE.to_le_bytes());
    modules.extend(MODULE_SIZE.to_le_bytes());
    modules.extend([0; 8]);
    modules.extend(name.to_le_bytes());
    modules.extend([0; 52]);
    modules.extend((debug.len() as u32).to_le_bytes());
    modules.extend(debug_at.to_le_bytes());
    modules.extend([0; 24]);

    let mut exception = vec![0; 160];
    exception[0] = 1;
    exception[8] = 11;
    exception.extend((CONTEXT_SIZE as u32).to_le_bytes());
    exception.extend(first_context.to_le_bytes());

    let streams = [
        (7_u32, system),
        (3, thread_list),
        (4, modules),
        (5, memory_list),
        (6, exception),
    ];
    for (index, (kind, stream)) in streams.iter().enumerate() {
        let at = append(&mut out, stream);
        let entry = &mut out[32 + index * 12..][..12];
        entry[..4].copy_from_slice(&kind.to_le_bytes());
        entry[4..8].copy_from_slice(&(stream.len() as u32).to_le_bytes());
        entry[8..].copy_from_slice(&at.to_le_bytes());
    }
    for (at, value) in [
        (0, 0x504d_444d_u32),
        (4, 0xa793),
        (8, streams.len() as u32),
        (12, 32),
    ] {
        out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    out
}

/// Appends bytes, and gives where they are.
fn append(out: &mut Vec<u8>, bytes: &[u8]) -> u32 {
    out.resize(out.len().next_multiple_of(8), 0);
    let at = u32::try_from(out.len()).unwrap();
    out.extend(bytes);
    at
}

/// A string as minidumps have it.
fn text(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = u32::try_from(units.len()).unwrap().to_le_bytes();
    [&length[..], &units, &[0, 0]].concat()
}
