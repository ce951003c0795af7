"""English words that may stand for each other in a minimal edit, one group a line, and the words of structure.

Data, written for this project; compared by stem, so one form is enough.
"""

SYNONYMS = """
buy purchase get obtain acquire order
big large huge great sizeable
amount sum total
small little tiny minor
fast quick rapid speedy swift prompt
begin start commence launch initiate
end finish stop conclude terminate complete
help assist support aid
fix repair mend resolve solve correct
send ship deliver dispatch mail forward
show display present
show indicate reveal demonstrate suggest
choose select pick opt
make create build produce generate construct
change modify alter adjust edit update switch
remove delete erase drop clear eliminate take
add insert append include
use utilise utilize employ apply leverage
need require must
want wish would like desire
ask request inquire query
answer reply respond response
tell inform notify let advise
say state mention note
get receive obtain
keep retain maintain hold store preserve
allow permit let enable
refund reimbursement repayment money
refund reimburse repay return
cancel terminate end revoke
customer client shopper user member
staff employee worker personnel team
company firm business organisation organization
phone telephone mobile call
email mail message
photo picture image
movie film
car vehicle automobile auto
doctor physician gp
child kid
shop store outlet
price cost fee charge rate
cheap inexpensive affordable
about approximately around roughly nearly some circa
over above exceeding
under below
within in inside
maximum max most
minimum min least
normally usually typically generally commonly
often frequently regularly
also too additionally furthermore moreover
however but though although yet nevertheless
because since as due owing
therefore thus so hence consequently
unfortunately regrettably sadly sorry
immediately instantly straightaway now
currently presently now
important essential crucial vital key significant
correct right accurate proper
wrong incorrect mistaken
error fault bug mistake issue problem defect
method approach way technique manner
function method procedure routine
folder directory
file document
website site page
click press tap hit select
log sign
login signin
password passphrase passcode
account profile
setting option preference configuration
verify check confirm validate ensure
start boot launch run
restart reboot
damaged broken faulty defective
item product article goods
order purchase
package parcel shipment delivery box
arrive reach land come
happy glad pleased delighted
sure certainly absolutely definitely
please kindly
hello hi hey greetings
thanks thank
holiday vacation
flat apartment
autumn fall
rubbish trash garbage
tap faucet
petrol gas gasoline
lift elevator
quite rather fairly pretty
very really extremely highly
completely totally entirely fully wholly
hard difficult tough challenging
easy simple straightforward
part portion section piece
whole entire full complete
different various distinct
same identical equal
near close nearby
between among amid
near by beside next
wrote authored penned written
invent devise create
discover find
die perish pass
born birth
live reside dwell
located situated found lies sits
capital
called named known termed
consist comprise include contain
cause lead trigger result
prevent avoid stop
reduce lower decrease cut lessen diminish
increase raise boost grow rise
improve enhance better
protect guard shield defend secure
warm heat
cool chill
mix stir combine blend
cook prepare make
eat consume
drink consume
medicine medication drug
illness disease sickness condition
pain ache
take consume ingest
big major
main primary chief principal
many numerous several multiple
enough sufficient adequate
whole total
sum total amount
calculate compute work determine figure
equal is equals
give provide offer supply grant
explain describe clarify
see view look watch
think believe consider
try attempt
happen occur take
wait pause hold
quickly rapidly fast promptly swiftly
shut close
speak talk
goal aim objective target purpose
job role position task
salary pay wage
rent lease
contract agreement
rule policy regulation
law legislation
tenant renter occupant
landlord owner
invoice bill
payment
deadline due
extend lengthen prolong
postpone delay defer
expire lapse
obtain get
clear obvious plain
typical usual normal standard regular
kind type sort
entire complete
perhaps maybe possibly
besides except
each every per
anybody anyone
somebody someone
nobody none
which that
who that
upon on
until till
while whilst whereas
can could able
may might could can
will shall would going
should ought
cannot
free complimentary gratis
eligible qualify entitled
required needed necessary mandatory
recommend advise suggest
"""

FUNCTION_WORDS = """
a an the this that these those of to in on at by for from with as into onto about and or but so if then than when where
while is are was were be been being am do does did has have had having will would shall should can could may might must it
its he she they him her them his their we us our you your i me my mine yours there here which who whom whose what how also
just please too very really quite well now even still only any some each every own such per via s t re ll ve d not no nor
never none up down out over under again further once both all more most other
"""

NEGATIONS = "not no never none nothing nobody neither nor nowhere without"
"""Words that deny whatever stands beside them."""

NEGATIVES = """
unable fail lack refuse avoid hardly barely rarely seldom scarcely except unless exclude stop prevent prohibit forbid
decline impossible unavailable ineligible illegal invalid unsafe dangerous deny reject miss absent ban unlikely only
out missing gone sold ineffective insufficient nonrefundable few little unnecessary stopped unfortunately sorry instead
rather unsupported free off empty acquitted acquit optional voluntary none
"""
"""Words that deny something by themselves."""

NARROWING = "only unless except until without if but excluding provided"
"""Words that open a condition or an exception."""
