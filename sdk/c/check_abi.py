"""check_abi.py SHARED STATIC LAYOUT: libruche exports the names of ruche.h with the versions of ruche.map, nothing else, in both kinds of
library; structs and numbers are those of ruche.abi; and nothing in it can end a process. `--write` as the fourth word renews ruche.abi,
which is right only when names or members were added."""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENDERS = {'abort', 'exit', '_exit', '_Exit', 'quick_exit', '__assert_fail', 'raise', 'kill', 'err', 'errx', 'pthread_exit'}


def nm(*arguments):
	return subprocess.run(['nm', '-P', *arguments], check=True, capture_output=True, text=True).stdout.splitlines()


def main():
	shared, static, layout = sys.argv[1:4]
	complaints = []
	exported = {line.split()[0] for line in nm('-D', '--defined-only', '--with-symbol-versions', shared)}
	names = sorted(name.replace('@@', ' ') for name in exported if not name.startswith('RUCHE_'))
	found = names + subprocess.run([layout], check=True, capture_output=True, text=True).stdout.splitlines()
	if sys.argv[4:] == ['--write']:
		(HERE / 'ruche.abi').write_text('\n'.join(found) + '\n')
	wanted = (HERE / 'ruche.abi').read_text().splitlines()
	complaints += [f'ruche.abi has "{line}", which is gone or changed' for line in wanted if line not in found]
	complaints += [f'"{line}" is not in ruche.abi' for line in found if line not in wanted]

	plain = {name.split()[0] for name in names}
	declared = set(re.findall(r'^RUCHE_PUBLIC[^;(]*?[ *](ruche_\w+)\(', (HERE / 'ruche.h').read_text(), re.MULTILINE))
	complaints += [f'{name}: declared in ruche.h or exported, but not both' for name in sorted(plain ^ declared)]
	kept = {line.split()[0] for line in nm('-g', '--defined-only', static) if len(line.split()) > 2}
	kept = {name for name in kept if not re.match(r'__(asan|odr_asan|ubsan|tsan|start___sancov|stop___sancov|sancov)', name)}
	complaints += [f'{name}: in libruche.a, but not in libruche.so, or the other way round' for name in sorted(kept ^ plain)]

	undefined = {line.split()[0].split('@')[0] for line in nm('-D', '--undefined-only', shared)}
	complaints += [f'{name}: libruche must never end a process' for name in sorted(undefined & ENDERS)]
	for page in ('sdk/c/ruche.3', 'docs/c-client.md'):
		text = (ROOT / page).read_text(encoding='utf-8')
		complaints += [f'{page} does not name {name}' for name in sorted(plain) if not re.search(rf'\b{name}\b', text)]
	for complaint in complaints:
		print(complaint)
	return 1 if complaints else 0


if __name__ == '__main__':
	sys.exit(main())
