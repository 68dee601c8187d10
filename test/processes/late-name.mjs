// Loaded before a program: the name late.test has no address the first three times that it is asked for, and then
// that of this host.
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";

const NAME = "late.test";
const ADDRESS = "127.0.0.1";
let numLeft = Number(process.env.NUM_FAILURES ?? 3);

function answer() {
  if (numLeft-- <= 0) return { address: ADDRESS, family: 4 };
  throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${NAME}`), {
    code: "ENOTFOUND",
    syscall: "getaddrinfo",
  });
}

const { lookup } = dns;
dns.lookup = (name, options, callback = options) => {
  if (name !== NAME) return lookup(name, options, callback);
  process.nextTick(() => {
    try {
      const found = answer();
      if (options.all) callback(null, [found]);
      else callback(null, found.address, found.family);
    } catch (error) {
      callback(error);
    }
  });
};
const { lookup: lookupAsync } = dns.promises;
dns.promises.lookup = async (name, ...rest) => (name === NAME ? [answer()] : lookupAsync(name, ...rest));
syncBuiltinESMExports();
