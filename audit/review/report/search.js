// Searches the index of all rooms and people, which is unpacked when it is needed. Names are data: only text is set.
const RESULTS = 200;
const NAMES = 2000;
const number = (value) => value.toLocaleString("en");
const pause = () => new Promise((resolve) => { setTimeout(resolve); });
const element = (tag, className, ...children) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
};
const escaped = (char) => {
  const code = char.codePointAt(0);
  const short = { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[char];
  const [mark, length] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return short ?? `\\${mark}${code.toString(16).padStart(length, "0")}`;
};
// A name, isolated from the text around it, with hidden characters marked.
const nameOf = (text, absent = "(no name)") => {
  if (!text?.trim()) return element("i", "absent", text ? `${absent.slice(0, -1)}: blank)` : absent);
  const parts = text.split(/([\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}])/u).filter(Boolean);
  return element("bdi", "", ...parts.map((part) => /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]$/u.test(part)
    ? element("span", "hidden-character", escaped(part)) : part));
};

// The index: each column of a group of rows is a list, or its different values and a number for each row.
const columnOf = (packed) => Array.isArray(packed) ? packed : packed.at.map((at) => packed.values[at]);
const uuidOf = (bytes) => Array.from(bytes, (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("")
  .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
const isPlain = (packed, at) => packed.values[at].startsWith("=");
const idsOf = (packed) => {
  const bytes = atob(packed.uuids);
  let place = 0;
  return packed.at.map((at) => {
    const start = packed.values[at];
    if (isPlain(packed, at)) return start.slice(1).toLowerCase();
    const uuid = uuidOf(bytes.slice(place, place += 16));
    return `${btoa(start + uuid).toLowerCase()} ${uuid}`;
  });
};
// The page of a room in Control Hub; an entry has one only if its id holds a UUID.
const pageOf = (index, { packed, row, hasPage }) => {
  if (!hasPage || isPlain(packed, packed.at[row])) return null;
  const place = 16 * packed.at.slice(0, row).filter((at) => !isPlain(packed, at)).length;
  return index.page.replace("{}", uuidOf(atob(packed.uuids).slice(place, place + 16)));
};
const unpack = async (text) => {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const [head, ...lines] = (await new Response(stream).text()).trimEnd().split("\n");
  const index = { ...JSON.parse(head), people: [], rooms: [], unread: [], ids: { people: [], rooms: [], unread: [] } };
  for (const line of lines) {
    const [[kind, { id, members, member, ...columns }]] = Object.entries(JSON.parse(line));
    const names = Object.keys(columns);
    const values = names.map((name) => columnOf(columns[name]));
    let at = 0;
    for (let row = 0; row < values[0].length; row += 1) {
      const entry = { place: index[kind].length, packed: id, row };
      names.forEach((name, column) => { entry[name] = values[column][row]; });
      if (members) entry.members = member.slice(at, at += members[row]);
      index[kind].push(entry);
    }
    index.ids[kind].push(id);
    await pause();
  }
  index.people.forEach((person) => { person.rooms = []; });
  index.rooms.forEach((room) => room.members.forEach((person) => index.people[person].rooms.push(room)));
  index.open = {};
  for (const room of index.rooms) if (room.reach === "everybody") (index.open[room.org] ??= []).push(room);
  return prepared(index);
};
const WHAT = { listens: "two-way listens", perhaps: "unclear", speaks: "one-way speaks" };
const WHO = { everybody: "anyone", members: "members", unclear: "unclear", nobody: "nobody", off: "off", none: "" };
const WAYS = { answer_settings: "answers ordinary calls listens anyone", paging: "paging speaks" };
const stateOf = (room) => {
  const others = room.ways.split(" ").filter((way) => way in WAYS).map((way) => WAYS[way]);
  const isOpen = !["off", "nobody", "none"].includes(room.reach);
  return [...(isOpen || !others.length ? [`${WHAT[room.direction]} ${WHO[room.reach]}`] : []), ...others].join(" ");
};
const prepared = (index) => {
  const known = new Map();
  const cached = (text) => known.get(text) ?? (known.set(text, fold(text ?? "")), known.get(text));
  for (const entry of [...index.rooms, ...index.unread]) {
    entry.folded = fold(entry.name ?? "");
    const [kind] = index.kinds[entry.kind];
    const state = entry.reach ? stateOf(entry) : entry.outcome;
    entry.text = `${entry.folded}\n${cached(`${kind} ${entry.kind} ${state}`)}\n${cached(entry.location)}\n${cached(index.orgs[entry.org])}`;
  }
  for (const person of index.people) {
    person.text = `${fold(`${person.name ?? ""}\n${person.email ?? ""}\n${person.also}`)}\n${cached(index.orgs[person.org])}`;
    person.numbered = `|${person.numbers.map(digitsOf).join("|")}|`;
  }
  return index;
};
// Ids are unpacked for the first word that may be one.
const idTexts = (index, kind) => {
  index.ids[kind] = index.ids[kind].flatMap((each) => Array.isArray(each) || typeof each === "string" ? each : idsOf(each));
  return index.ids[kind];
};
const hasNumber = (numbered, digits) => digits.length > 2
  ? numbered.includes(digits) || (/^0+\d{4}/.test(digits) && numbered.includes(digits.replace(/^0+/, "")))
  : digits !== "" && numbered.includes(`|${digits}|`);
const matcher = (index, kind, term) => {
  const ids = term.isId ? idTexts(index, kind) : [];
  const isShort = /^\d{1,2}$/.test(term.text);
  const whole = isShort && kind === "people" ? new RegExp(`(^|[^\\d])${term.text}([^\\d]|$)`) : null;
  return (entry) => (whole ? whole.test(entry.text) : entry.text.includes(term.text))
    || (kind === "people" && hasNumber(entry.numbered, term.digits)) || (ids[entry.place]?.includes(term.text) ?? false);
};
// The matches: rooms whose name holds all words whole, then rooms by their own text, then rooms by a member.
const find = (index, query) => {
  const ranks = { rooms: new Map(), people: new Map(), unread: new Map() };
  const matched = new Set();
  for (const terms of readings(query)) {
    const note = (kind, entry, rank) => ranks[kind].set(entry, Math.min(rank, ranks[kind].get(entry) ?? 3));
    const tests = (kind) => terms.map((term) => matcher(index, kind, term));
    const [ofPerson, ofRoom, ofUnread] = [tests("people"), tests("rooms"), tests("unread")];
    const listed = ofPerson.map((test) => index.people.map(test));
    index.people.forEach((person, place) => {
      if (listed.every((each) => each[place])) note("people", person, 0);
      if (listed.some((each) => each[place])) matched.add(place);
    });
    index.rooms.forEach((room) => {
      const own = ofRoom.map((test) => test(room));
      if (own.every(Boolean)) note("rooms", room, isWhole(terms, room.folded) ? 0 : 1);
      else if (own.every((is, at) => is || room.members.some((person) => listed[at][person]))) note("rooms", room, 2);
    });
    index.unread.forEach((room) => { if (ofUnread.every((test) => test(room))) note("unread", room, isWhole(terms, room.folded) ? 0 : 1); });
  }
  const sorted = (kind) => [...ranks[kind]].sort(([one, a], [two, b]) => a - b || one.place - two.place).map(([entry]) => entry);
  return { rooms: sorted("rooms"), people: sorted("people"), unread: sorted("unread"), matched };
};
const isWhole = (terms, folded) => {
  const words = folded.split(/[^\p{L}\p{N}]+/u);
  return terms.every((term) => words.includes(term.text));
};
