"use strict";
// Folds texts, so that a search finds a name without its accents and in either form of Unicode.
const LETTERS = { ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", ħ: "h", ı: "i", ł: "l", ŋ: "n", ŧ: "t", þ: "th", ς: "σ" };
const UNFOLDED = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "g");
const fold = (text) => /^[\x20-\x7e]*$/.test(text) ? text.toLowerCase()
  : text.replace(/[‘’‛ʼʹ´]/g, "'").replace(/\p{Pd}/gu, "-").normalize("NFKD").replace(/[\p{M}\p{Cf}]/gu, "").toLowerCase()
    .normalize("NFKD").replace(/\p{M}/gu, "").replace(UNFOLDED, (letter) => LETTERS[letter]).replace(/\p{Cc}/gu, " ");
const digitsOf = (text) => text.replace(/\(0\)/g, "").replace(/\D/g, "");
const isNumber = (word) => /^\+?[\d().\/-]*\d[\d().\/-]*$/.test(word);
// A word as it is searched for: a text, and the digits of a number; only a long word can be an id.
const termOf = (word) => ({ text: word, digits: isNumber(word) ? digitsOf(word) : "", isId: word.length > 7 });
const wordsOf = (text) => fold(text).split(/\s+/).map((word) => word.replace(/^[,;:"<]+|[,;:">]+$/g, "")).filter(Boolean);
// The ways to read a query: word by word; with words that together are a number as one; and with all as one name.
const readings = (query) => {
  const words = wordsOf(query);
  const joined = [];
  for (const word of words) {
    const last = joined.at(-1);
    if (isNumber(word) && last && isNumber(last)) joined[joined.length - 1] = `${last}${word}`;
    else joined.push(word);
  }
  const all = [words];
  if (joined.length < words.length && joined.some((word) => digitsOf(word).length > 3)) all.push(joined);
  return all.map((each) => each.map(termOf));
};
